"""The actions of message rules: checked, then put into the open commit in one turn of the event loop, then sent."""

from collections.abc import Sequence
from copy import deepcopy
from typing import Any

from thingstead.errors import DeviceOffline, InvalidInput, NotFound, ThingsteadError, Unavailable
from thingstead.model.device import Device
from thingstead.model.message_rules.action import Action, DataAction, OtaCheckAction, ReportAction
from thingstead.model.message_rules.work import RuleMessage, WorkItem
from thingstead.refusals import reason
from thingstead.services.commands.control import ControlService
from thingstead.services.functions.results import FunctionResult
from thingstead.services.ingest.chain import ChangedMessage
from thingstead.services.ingest.device_context import DeviceContext
from thingstead.services.ingest.ingest import IngestService
from thingstead.services.ingest.processed import processed
from thingstead.services.ingest.streams import StreamService
from thingstead.services.message_rules.effect_kinds import (
    CommandEffect,
    DataEffect,
    Effect,
    FailedAction,
    PushEffect,
    ReportEffect,
    SetEffect,
)
from thingstead.services.message_rules.outside.effect import outside_effect
from thingstead.services.message_rules.outside.outbox import Outbox
from thingstead.services.message_rules.results import actions_of
from thingstead.services.ota.offers import OtaOffers
from thingstead.services.shared.payloads import check_depth, encode_message
from thingstead.storage.base import Store

UNAVAILABLE = "functions are not available on this server"


class Effects:
    """Prepares actions."""

    def __init__(
        self,
        store: Store,
        ingest: IngestService,
        control: ControlService,
        streams: StreamService,
        ota: OtaOffers,
        outbox: Outbox,
    ) -> None:
        self._store = store
        self._ingest = ingest
        self._control = control
        self._streams = streams
        self._ota = ota
        self._outbox = outbox

    async def prepare_all(
        self, item: WorkItem, action: Action, index: int = 0
    ) -> Sequence[tuple[Action, Effect | FailedAction]]:
        """:meth:`prepare`, also for functions, which may cause several effects, or none. Each comes with the action
        that it stands for.

        Args:
            index: of the action in its rule.
        """
        if action.url is not None or action.mqtt is not None:
            return [(action, await self._outside(item, action, index))]
        if action.function is None:
            return [(action, await self.prepare(item, action))]
        message = item.read()
        assert message is not None, "rules with functions keep their message"
        try:
            device = await self._store.devices.get(item.project_id, item.device_id)
        except NotFound as exc:
            return [(action, FailedAction("target_gone", exc.reason))]
        link = await self._ingest.link(device)
        result = await self._call(link, item.rule_id, index, action.function, message)
        if result.reason:
            return [(action, FailedAction(result.reason, detail=result.detail, logs=result.logs))]
        try:
            check_depth(result.value)
            stream = message.identifier if message.on == "data" else link.definition.compiled.tcp_stream or ""
            found = actions_of(action, message.on, result.value, stream)
        except InvalidInput as exc:
            return [(action, FailedAction("function_error", exc.reason, logs=result.logs))]
        return [(each, await self.prepare(item, each)) for each in found]

    async def _call(
        self, link: DeviceContext, rule_id: str, index: int, source: str, message: RuleMessage
    ) -> FunctionResult:
        functions = self._ingest.functions
        if functions is None:
            return FunctionResult(reason="function_error", detail=UNAVAILABLE)
        rule = self._ingest.triggers.index.rules.get(rule_id)
        if rule is not None and index in rule.functions_off:
            return FunctionResult(reason="function_off", detail=rule.functions_off[index].reason)
        return await functions.call(
            link,
            f"{rule_id}:{index}",
            source,
            argument_of(message),
            on=message.on,
            identifier=message.identifier,
        )

    async def prepare(self, item: WorkItem, action: Action) -> Effect | FailedAction:
        """Looks up what an action needs, and checks it. Raises Unavailable if the store cannot take it now."""
        try:
            device = await self._store.devices.get(item.project_id, action.device or item.device_id)
        except NotFound as exc:
            return FailedAction("target_gone", exc.reason)
        try:
            if action.command is not None:
                sent = action.command
                command = await self._control.draft(device, sent.method, sent.params, sent.id, sent.wait_ms)
                return CommandEffect(self._store, self._control, command)
            if action.data is not None:
                return await self._data(device, action.data)
            if action.report is not None:
                return await self._report(item, device, action.report)
            if action.ota_check is not None:
                return await self._check_version(item, device, action.ota_check)
            link = await self._ingest.link(device)
            if action.push is not None:
                push = await self._control.pushes.prepare(link, deepcopy(action.push), item.cause)
                return PushEffect(self._ingest, self._control.pushes, push)
            return SetEffect(self._ingest, link, deepcopy(action.set_ or {}), item.cause)
        except Unavailable:
            raise
        except ThingsteadError as exc:
            return FailedAction("refused", exc.reason)

    async def _outside(self, item: WorkItem, action: Action, index: int) -> Effect | FailedAction:
        message = item.read()
        assert message is not None, "rules with such actions keep their message"
        try:
            device = await self._store.devices.get(item.project_id, item.device_id)
        except NotFound as exc:
            return FailedAction("target_gone", exc.reason)
        return outside_effect(self._outbox, item, action, index, device, message)

    async def _data(self, device: Device, data: DataAction) -> Effect | FailedAction:
        payload = encode_message(data.format, data.body)
        try:
            await self._streams.target(device.project_id, device.id, data.identifier, payload)
        except DeviceOffline as exc:
            return FailedAction("target_offline", exc.reason)
        return DataEffect(self._streams, device, data.identifier, payload)

    async def _check_version(self, item: WorkItem, device: Device, check: OtaCheckAction) -> Effect:
        message = item.read()
        params = {} if message is None else message.values
        return await self._ota.answer(
            device, attribute=check.attribute, module=check.module, params=params, cause=item.cause.message_id
        )

    async def _report(self, item: WorkItem, device: Device, report: ReportAction) -> Effect | FailedAction:
        if report.sub_address:
            found = await self._store.devices.find_by_sub_address(device.id, report.sub_address)
            if found is None:
                return FailedAction("target_gone", reason("no_such_sub_device"))
            device = found
        link = await self._ingest.link(device)
        values: dict[str, Any] = deepcopy(report.attributes)
        processed(self._ingest.history, link, values)
        triggers, chain = link.triggers, self._ingest.chain
        made = ChangedMessage(values)
        if triggers is not None and triggers.before and chain is not None:
            rules = self._ingest.triggers.before(device, triggers.before, values)
            made = await chain.change(link, rules, values, "before_report", cause=item.cause)
        return ReportEffect(self._ingest, link, made, item.cause)


def argument_of(message: RuleMessage) -> Any:
    """What a function gets."""
    if message.on == "data":
        return message.data
    if message.on == "event":
        return {"method": message.identifier, "params": message.values}
    return message.values
