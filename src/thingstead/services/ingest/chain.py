"""The rules that change a message before it is stored: one after the other, each with what the one before returned."""

from collections.abc import Sequence
from typing import Any

from thingstead.clock import Clock
from thingstead.errors import InvalidInput
from thingstead.model.ids import new_id
from thingstead.model.message_rules.rule import On, Outcome
from thingstead.model.message_rules.state import RuleEffectRecord, kept_logs
from thingstead.model.message_rules.work import Cause
from thingstead.refusals import Reason
from thingstead.services.ingest.device_context import DeviceContext
from thingstead.services.ingest.function_calls import CustomMessage, DeviceFunctions, custom_message
from thingstead.services.shared.payloads import check_depth
from thingstead.services.triggers.trace import RuleMatch, TriggerRule
from thingstead.services.triggers.triggers import Triggers, read_by

NO_ATTRIBUTES = "it must return an object of attributes"
NO_BYTES = "a sub-device takes attributes, or a message of the type json that is an object"


class ChangedMessage:
    """What the rules made of a message."""

    __slots__ = ("_acted", "message", "original", "values")

    def __init__(self, values: dict[str, Any]) -> None:
        self.original = values
        self.values = values
        self.message: CustomMessage | None = None  # of a push: what is sent in its place
        self._acted: list[tuple[TriggerRule, RuleMatch]] = []

    @property
    def changed(self) -> bool:
        """Whether the values are not those that came."""
        return self.values is not self.original

    def took(self, rule: TriggerRule, evaluation: RuleMatch) -> None:
        """Notes the end of a rule."""
        if evaluation.outcome is not None:
            rule.outcomes[evaluation.outcome] += 1
        if evaluation.outcome == "acted":
            self._acted.append((rule, evaluation))

    def refuse(self, why: Reason) -> None:
        """Takes the original values, since nothing of the others is allowed."""
        self.values = self.original
        for rule, evaluation in self._acted:
            rule.outcomes["acted"] -= 1
            rule.outcomes["refused"] += 1
            evaluation.outcome, evaluation.detail = "refused", why.message
        self._acted.clear()


class RuleChain:
    """Calls the functions of ``before_report`` and ``before_push`` rules."""

    def __init__(self, clock: Clock, functions: DeviceFunctions, triggers: Triggers) -> None:
        self._clock = clock
        self._functions = functions
        self._triggers = triggers

    async def change(
        self,
        link: DeviceContext,
        rules: Sequence[TriggerRule],
        values: dict[str, Any],
        on: On,
        *,
        cause: Cause | None = None,
        late: bool = False,
    ) -> ChangedMessage:
        """The message after all functions, which together have the time of one.

        Args:
            rules: whose condition holds.
            late: the message waited too long already; it stays as it came.
        """
        made = ChangedMessage(values)
        origin = cause or Cause(new_id() + new_id())
        until_s = self._clock.monotonic_s() + self._functions.pool.time_limit_ms / 1000
        for rule in rules:
            refusal = self._triggers.change_refusal(rule, link.device, cause)
            outcome: Outcome | None = "deadline" if late else refusal
            evaluation = RuleMatch(
                self._clock.now_ms(), link.device.id, origin, rule.rule.version, read_by(rule, made.values), None
            )
            evaluation.outcome = outcome
            rule.keep(evaluation)
            if outcome is None:
                await self._apply(link, rule, evaluation, made, on, until_s)
            made.took(rule, evaluation)
        return made

    async def _apply(
        self, link: DeviceContext, rule: TriggerRule, evaluation: RuleMatch, made: ChangedMessage, on: On,
        until_s: float,
    ) -> None:  # fmt: skip
        for index, action in enumerate(rule.rule.body.actions):
            left_ms = round((until_s - self._clock.monotonic_s()) * 1000)
            source, identifier = action.function or "", action.identifier
            outcome, detail, logs = await self._call(link, rule, index, source, identifier, made, on, left_ms)
            evaluation.effects.append(
                RuleEffectRecord(action="function", device_id=link.device.id, outcome=outcome, logs=kept_logs(logs))
            )
            evaluation.outcome, evaluation.detail = outcome, detail

    async def _call(
        self, link: DeviceContext, rule: TriggerRule, index: int, source: str, identifier: str, made: ChangedMessage,
        on: On, left_ms: int,
    ) -> tuple[Outcome, str, tuple[str, ...]]:  # fmt: skip
        """Takes what a function returns; with an outcome other than ``acted``, the message stays as it was."""
        if left_ms <= 0:
            return "deadline", "", ()
        if index in rule.functions_off:
            return "function_off", rule.functions_off[index].reason, ()
        key = f"{rule.rule.id}:{index}"
        result = await self._functions.call(link, key, source, made.values, on=on, timeout_ms=left_ms)
        if result.reason:
            return result.reason, result.detail, result.logs
        try:
            check_depth(result.value)
        except InvalidInput as exc:
            return "function_error", exc.message, result.logs
        if on == "before_push":
            try:
                message = custom_message(result.value, identifier)
            except InvalidInput as exc:
                return "function_error", exc.message, result.logs
            if message is not None and link.device.gateway_id is not None and message.values is None:
                return "function_error", NO_BYTES, result.logs
            if message is not None:
                made.message = message
                return "acted", "", result.logs
        if not isinstance(result.value, dict):
            return "function_error", NO_ATTRIBUTES, result.logs
        made.values = result.value
        return "acted", "", result.logs
