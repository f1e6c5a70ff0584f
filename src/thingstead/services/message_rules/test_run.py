"""Test runs of message rules: what a rule would do about a message, or about the last messages of a device."""

from typing import Any

import msgspec

from thingstead.clock import Clock
from thingstead.errors import InvalidInput
from thingstead.model.device import Device, Page
from thingstead.model.message_rules.rule import MessageRule
from thingstead.model.message_rules.rule_form import MessageRuleForm
from thingstead.rules.message_rules import compile_condition, holds
from thingstead.services.functions.pool import FunctionPool
from thingstead.services.message_rules.rules import MessageRuleService
from thingstead.storage.base import Store
from thingstead.wire.rules.message_rules import MessageRuleTest, RuleTestItem

LAST_MESSAGES = 10
Message = tuple[int, dict[str, Any], str]  # (ms, values, identifier of the event or stream)


class MessageRuleTestService:
    """Evaluates rules without doing anything."""

    def __init__(self, store: Store, clock: Clock, rules: MessageRuleService, functions: FunctionPool) -> None:
        self._functions = functions
        self._store = store
        self._clock = clock
        self._rules = rules

    async def run(
        self,
        project_id: str,
        tested: MessageRuleForm | str,
        device_id: str | None = None,
        values: dict[str, Any] | None = None,
        identifier: str = "",
    ) -> MessageRuleTest:
        """What a rule (new, or the id of an existing one) would do.

        Args:
            device_id: whose last messages are taken, if ``values`` is None: its current attributes as one report, or
                its last events or custom data.
            values: attributes of a report, or parameters of the event ``identifier``.

        Raises:
            NotFound, InvalidInput: an argument is unknown or invalid.
        """
        if isinstance(tested, str):
            rule = await self._rules.get(project_id, tested)
        else:
            await self._rules.check(project_id, tested)
            rule = self._rules.rule_of(project_id, "", tested)
        device = None if device_id is None else await self._store.devices.get(project_id, device_id)
        if values is not None:
            messages: list[Message] = [(self._clock.now_ms(), values, identifier)]
        elif device is not None:
            messages = await self._last_messages(rule, device)
        else:
            raise InvalidInput.field("device", "device_or_message")
        return MessageRuleTest(
            items=[await self._with_result(_tested(rule, message), project_id) for message in messages]
        )

    async def _with_result(self, item: RuleTestItem, project_id: str) -> RuleTestItem:
        """With what the functions of the rule return."""
        sources = [action.function for action in item.actions if action.function is not None]
        if not sources:
            return item
        found, outcome, detail, logs = item.values, item.outcome, "", list[str]()
        for source in sources:
            result = await self._functions.call("", source, found, on="before_report", project=project_id)
            logs.extend(result.logs)
            outcome, detail = result.reason or "acted", result.detail
            if not result.reason and isinstance(result.value, dict):
                found = result.value
        return msgspec.structs.replace(item, outcome=outcome, detail=detail, result=found, logs=logs)

    async def _last_messages(self, rule: MessageRule, device: Device) -> list[Message]:
        """The last messages of a device that a rule would listen to, newest first."""
        page = Page(records=LAST_MESSAGES)
        if rule.on_message == "event":
            events, _ = await self._store.events.list_page(device.id, page, method=rule.body.identifier or None)
            return [(event.ts, event.params, event.method) for event in events]
        if rule.on_message == "data":
            logs, _ = await self._store.device_logs.list_page(device.number, "data", page)
            return [(each.ts, {}, each.body["identifier"]) for each in logs if each.body.get("direction") == "up"]
        await self._store.history.open_device(device.number)
        current = await self._store.history.current(device.number)
        if not current:
            return []
        newest = max(value.ts for value in current.values())
        return [(newest, {name: value.value for name, value in current.items()}, "")]


def _tested(rule: MessageRule, message: Message) -> RuleTestItem:
    ts, values, identifier = message
    found = holds(compile_condition(rule.body.condition), values)
    wanted = rule.body.identifier
    if wanted and identifier != wanted:
        outcome = "source"
    elif not found:
        outcome = "no_attribute" if found is None else "condition"
    else:
        outcome = "acted"
    actions = list(rule.body.actions) if outcome == "acted" else []
    return RuleTestItem(ts=ts, values=values, identifier=identifier, holds=found, outcome=outcome, actions=actions)
