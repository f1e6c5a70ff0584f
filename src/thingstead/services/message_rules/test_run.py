"""Test runs of message rules: what a rule would do about a message, or about the last messages of a device."""

from collections.abc import Sequence
from typing import Any

import msgspec

from thingstead.clock import Clock
from thingstead.errors import InvalidInput, NotFound
from thingstead.model.device import Device, Page
from thingstead.model.message_rules.action import Action
from thingstead.model.message_rules.outside_checks import hide_secrets
from thingstead.model.message_rules.rule import ONLY_FUNCTIONS, MessageRule
from thingstead.model.message_rules.rule_form import MessageRuleForm
from thingstead.model.message_rules.work import RuleMessage
from thingstead.rules.message_rules import compile_condition, holds
from thingstead.services.functions.pool import FunctionPool
from thingstead.services.functions.results import FunctionResult
from thingstead.services.ingest.function_calls import custom_message, device_info_of
from thingstead.services.message_rules.effects import argument_of
from thingstead.services.message_rules.results import actions_of
from thingstead.services.message_rules.rules import MessageRuleService
from thingstead.services.shared.excerpts import whole
from thingstead.storage.base import Store
from thingstead.wire.rules.message_rules import MessageRuleTest, RuleTestItem

LAST_MESSAGES = 10
Message = tuple[int, RuleMessage]  # with its instant in ms


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
        data: bytes | None = None,
    ) -> MessageRuleTest:
        """What a rule (new, or the id of an existing one) would do.

        Args:
            device_id: whose last messages are taken, if there are neither ``values`` nor ``data``: its current
                attributes as one report or push, or its last events or custom data. Functions are told of it.
            values: attributes, or parameters of the event ``identifier``.
            data: custom data of the stream ``identifier``.

        Raises:
            NotFound, InvalidInput: an argument is unknown or invalid.
        """
        if isinstance(tested, str):
            rule = await self._rules.get(project_id, tested)
        else:
            await self._rules.check(project_id, tested)
            rule = self._rules.rule_of(project_id, "", tested)
        device = None if device_id is None else await self._store.devices.get(project_id, device_id)
        if values is not None or data is not None:
            message = RuleMessage(rule.on_message, values or {}, identifier, data or b"")
            messages: list[Message] = [(self._clock.now_ms(), message)]
        elif device is not None:
            messages = await self._last_messages(rule, device)
        else:
            raise InvalidInput.field("device", "device_or_message")
        return MessageRuleTest(items=[await self._tested(rule, message, device) for message in messages])

    async def _tested(self, rule: MessageRule, message: Message, device: Device | None) -> RuleTestItem:
        item = _evaluated(rule, message)
        if not any(action.function is not None for action in item.actions):
            return item
        if rule.on_message in ONLY_FUNCTIONS:
            return await self._changed(item, rule, message[1], device)
        return await self._acted(item, rule, message[1], device)

    async def _changed(
        self, item: RuleTestItem, rule: MessageRule, message: RuleMessage, device: Device | None
    ) -> RuleTestItem:
        """With what the functions make of the message."""
        found, outcome, detail, logs = item.values, item.outcome, "", list[str]()
        for action in item.actions:
            argument = msgspec.structs.replace(message, values=found)
            result = await self._call(rule, action, argument, device)
            logs.extend(result.logs)
            outcome, detail = result.reason or "acted", result.detail
            if not result.reason and isinstance(result.value, dict):
                sent = custom_message(result.value, action.identifier) if rule.on_message == "before_push" else None
                if sent is None:
                    found = result.value
                else:
                    item = msgspec.structs.replace(item, sent=sent.payload.hex(" "))
        return msgspec.structs.replace(item, outcome=outcome, detail=detail, result=found, logs=logs)

    async def _acted(
        self, item: RuleTestItem, rule: MessageRule, message: RuleMessage, device: Device | None
    ) -> RuleTestItem:
        """With the actions that the functions lead to, in the place of these."""
        actions, outcomes, details, logs = list[Action](), list[str](), list[str](), list[str]()
        for action in item.actions:
            if action.function is None:
                actions.append(action)
                outcomes.append("acted")
                continue
            result = await self._call(rule, action, message, device)
            logs.extend(result.logs)
            outcomes.append(result.reason or "acted")
            details.append(result.detail)
            try:
                if not result.reason:
                    stream = message.identifier if message.on == "data" else ""
                    actions.extend(actions_of(action, message.on, result.value, stream))
            except InvalidInput as exc:
                outcomes[-1], details[-1] = "function_error", exc.message
        outcome = "acted" if "acted" in outcomes else outcomes[0]
        detail = next((each for each in details if each), "")
        return msgspec.structs.replace(item, outcome=outcome, detail=detail, actions=actions, logs=logs)

    async def _call(
        self, rule: MessageRule, action: Action, message: RuleMessage, device: Device | None
    ) -> FunctionResult:
        current = None if device is None else await self._store.history.current(device.number)
        try:
            zone = (await self._store.projects.get(rule.project_id)).timezone
        except NotFound:
            zone = "+00:00"
        return await self._functions.call(
            "",
            action.function or "",
            argument_of(message),
            on=message.on,
            project=rule.project_id,
            zone=zone,
            device=_NO_DEVICE if device is None else device_info_of(device),
            current={name: value.value for name, value in (current or {}).items()},
            identifier=message.identifier,
        )

    async def _last_messages(self, rule: MessageRule, device: Device) -> list[Message]:
        """The last messages of a device that a rule would listen to, newest first."""
        page, on = Page(records=LAST_MESSAGES), rule.on_message
        await self._store.history.open_device(device.number)
        if on == "event":
            events, _ = await self._store.events.list_page(device.id, page, method=rule.body.identifier or None)
            return [(event.ts, RuleMessage(on, event.params, event.method)) for event in events]
        if on == "data":
            logs, _ = await self._store.device_logs.list_page(device.number, "data", page)
            bodies = [(each.ts, each.body) for each in logs if each.body.get("direction") == "up"]
            return [(ts, RuleMessage(on, {}, body["identifier"], whole(body["payload"]))) for ts, body in bodies]
        current = await self._store.history.current(device.number)
        if not current:
            return []
        newest = max(value.ts for value in current.values())
        return [(newest, RuleMessage(on, {name: value.value for name, value in current.items()}))]


_NO_DEVICE: dict[str, Any] = {
    "id": "", "name": "", "type": "", "tags": {}, "device_key": "", "device_code": "", "sub_device_addr": "",
    "sub_device_addr_hex": "",
}  # fmt: skip


def _evaluated(rule: MessageRule, timed: Message) -> RuleTestItem:
    ts, message = timed
    found = holds(compile_condition(rule.body.condition), message.values)
    wanted = rule.body.identifier
    if wanted and message.identifier != wanted:
        outcome = "source"
    elif not found:
        outcome = "no_attribute" if found is None else "condition"
    else:
        outcome = "acted"
    actions: Sequence[Action] = rule.body.actions if outcome == "acted" else ()
    return RuleTestItem(
        ts=ts,
        values=message.values,
        identifier=message.identifier,
        holds=found,
        outcome=outcome,
        actions=hide_secrets(actions),
    )
