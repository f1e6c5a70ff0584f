"""A message to an address outside, as an effect that is put into the commit of its rule."""

from typing import Any

from thingstead.errors import Conflict, ThingsteadError
from thingstead.model.device import Device
from thingstead.model.forwarding.message import ForwardDevice, MessageKind, encoded, listed_one, message_of
from thingstead.model.ids import new_id
from thingstead.model.message_rules.action import Action
from thingstead.model.message_rules.outgoing import OutgoingMessage
from thingstead.model.message_rules.work import RuleMessage, WorkItem
from thingstead.model.outbound.mqtt import names_of
from thingstead.services.message_rules.outside.outbox import Outbox

_KINDS: dict[str, MessageKind] = {
    "after_report": "attributes", "after_push": "set_attributes", "event": "event", "data": "data",
}  # fmt: skip


class OutsideEffect:
    """A row that waits for its delivery; see :class:`~thingstead.services.message_rules.effect_kinds.Effect`."""

    refusal: ThingsteadError | None = None

    def __init__(self, outbox: Outbox, message: OutgoingMessage) -> None:
        self._outbox = outbox
        self._message = message

    @property
    def reference(self) -> str:
        return self._message.id

    def check_room(self) -> None:
        """What there is no room for is refused, and said in the trace: it must not delay other effects."""

    def append(self) -> None:
        if not self._outbox.append(self._message):
            raise Conflict("outgoing_full")

    def done(self) -> ThingsteadError | None:
        return None


def outside_effect(
    outbox: Outbox, item: WorkItem, action: Action, index: int, device: Device, message: RuleMessage
) -> OutsideEffect:
    """The effect of an action ``url`` or ``mqtt``."""
    sent = message_of(
        new_id() + new_id(),
        _KINDS[message.on],
        ForwardDevice(device.id, device.name, device.device_key or "", device.type_id or ""),
        item.ts,
        _content(message, item.cause.message_id),
    )
    row = OutgoingMessage(
        number=outbox.next_number(),
        id=sent.id,
        project_id=item.project_id,
        rule_id=item.rule_id,
        action=index,
        device_id=device.id,
        kind=sent.kind,
        names={} if action.url is not None else names_of(item.project_id, sent.kind, message.identifier, sent.device),
        create_time=outbox.now_ms(),
        body=encoded(sent) if action.url is not None else listed_one(sent),
    )
    return OutsideEffect(outbox, row)


def _content(message: RuleMessage, message_id: str) -> dict[str, Any]:
    if message.on == "event":
        return {"method": message.identifier, "params": message.values, "id": message_id}
    if message.on != "data":
        return message.values
    try:
        kind, text = "text", message.data.decode()
    except UnicodeDecodeError:
        kind, text = "hex", message.data.hex()
    return {"identifier": message.identifier, "type": kind, "msg": text}
