"""Gateways and their sub-devices (wire reference §5): many devices on one connection, addressed by ``sub_address``."""

from collections.abc import Callable
from typing import Any

import msgspec

from thingstead.bus.base import Bus
from thingstead.clock import Clock
from thingstead.config import ApiSettings
from thingstead.errors import FieldError, InvalidInput
from thingstead.model.device import Device, DeviceFilter, Page
from thingstead.model.messages import PresenceChanged, SessionsRevoked, SubDeviceAdded
from thingstead.repeating import Repeating
from thingstead.services.commands.control import ControlService
from thingstead.services.ingest.ingest import IngestService, Outcome
from thingstead.services.presence.presence import PresenceService
from thingstead.services.presence.sub_device_making import SubDeviceMaker
from thingstead.services.presence.sub_presence import GatewayLink, SubDevicePresence, SubDeviceState, after
from thingstead.services.registry.devices import DeviceService
from thingstead.services.shared.commits import RefusableCommit, TaskCommit, settled
from thingstead.services.shared.device_logs import DeviceLogService
from thingstead.services.shared.payloads import MAX_SERIES_REPORTS, as_object, decode_object
from thingstead.storage.base import Commit, Store

SWEEP_S = 5.0
LOADED_PER_PAGE = 1_000


class SubDeviceService:
    """Handles the ``gateway/…`` messages, and the presence of sub-devices.

    Args:
        timeout_s: a sub-device is offline after this time without a message; 0: never.
    """

    def __init__(
        self,
        store: Store,
        bus: Bus,
        clock: Clock,
        ingest: IngestService,
        control: ControlService,
        presence: PresenceService,
        devices: DeviceService,
        logs: DeviceLogService,
        *,
        timeout_s: int,
        api: ApiSettings | None = None,
    ) -> None:
        self._store = store
        self._clock = clock
        self._ingest = ingest
        self._control = control
        self._presence = SubDevicePresence(presence, clock)
        self._maker = SubDeviceMaker(store, clock, devices, logs, api or ApiSettings())
        self._trace = logs.trace
        self._timeout_s = timeout_s
        self._gateways: dict[str, GatewayLink] = {}  # by device id of the gateway
        self._by_device: dict[str, SubDeviceState] = {}  # by device id of the sub-device
        self._sweeper = Repeating("sub-device time-outs", self.sweep, SWEEP_S)
        self._subscriptions = [
            bus.subscribe(SubDeviceAdded, self._added),
            bus.subscribe(SessionsRevoked, self._revoked),
            bus.subscribe(PresenceChanged, self._gateway_gone),
        ]

    # The gateway's connection

    async def open(self, gateway: Device, session_id: str, remote_address: str = "") -> GatewayLink:
        """Call when a gateway has connected; all its sub-devices are loaded on return. Those that are online over its
        earlier connection stay online."""
        link = GatewayLink(gateway, session_id, remote_address)
        before = self._gateways.get(gateway.id)
        self._gateways[gateway.id] = link
        await self._enter_all(link)
        if before is not None:
            before.taken_over = True
            for address, sub_device in before.sub_devices.items():
                if address in link.sub_devices:
                    self._presence.take_over(link.sub_devices[address], sub_device)
        if self._timeout_s:
            self._sweeper.start()
        return link

    async def _enter_all(self, link: GatewayLink) -> None:
        gateway = link.device
        number = 1
        while True:
            page = Page(number=number, records=LOADED_PER_PAGE)
            views, _ = await self._store.devices.list_views(
                gateway.project_id, DeviceFilter(gateway_id=gateway.id), page
            )
            for view in views:
                await self._enter(link, view.device)
            if len(views) < LOADED_PER_PAGE:
                break
            number += 1

    async def closed(self, link: GatewayLink) -> None:
        """Call when the connection of a gateway has ended, before its session ends. On return all its sub-devices are
        offline, unless another connection has taken over: then they wait for its :meth:`open`."""
        session = await self._store.presence.find_session(link.device.number)
        if session is not None and session.session_id != link.session_id and not link.taken_over:
            link.taken_over = True
        else:
            self._leave_all(link)
        await link.idle()

    def _gateway_gone(self, news: PresenceChanged) -> None:
        """The connection that took over has ended, perhaps before it called :meth:`open`."""
        link = None if news.online else self._gateways.get(news.device_id)
        if link is not None and link.taken_over:
            self._leave_all(link)

    def _leave_all(self, link: GatewayLink) -> None:
        if self._gateways.get(link.device.id) is link:
            del self._gateways[link.device.id]
        for sub_device in link.sub_devices.values():
            if self._by_device.get(sub_device.link.device.id) is sub_device:
                del self._by_device[sub_device.link.device.id]
            self._presence.leave(sub_device, "gateway")

    def route(self, device_id: str) -> SubDeviceState | None:
        """The sub-device with this id, if its gateway is connected to this node."""
        return self._by_device.get(device_id)

    async def _connect_made(self, link: GatewayLink, address: str, type_key: str) -> None:
        """Creates a sub-device that its gateway has announced, and sets it online. A refusal is logged and raised."""
        made = await self._maker.make(link, address, type_key)
        await self._enter(link, made)
        opened = self._presence.heard(link.sub_devices[address])
        if opened is not None:
            await settled(opened)

    # Messages from gateways. Errors name the address of the sub-device.

    def connect(self, link: GatewayLink, payload: bytes) -> Outcome:
        """``gateway/connect`` with ``{"device": address}``: the sub-device is online after the commit. With a
        ``type_key`` (or ``product``), an unknown sub-device is created, unless that is refused: the outcome's commit is
        a :class:`RefusableCommit`."""
        body = decode_object(payload)
        address, type_key = body.get("device"), body.get("type_key") or body.get("product")
        if isinstance(address, str) and isinstance(type_key, str) and address not in link.sub_devices:
            return Outcome(RefusableCommit(self._connect_made(link, address, type_key)), ())
        return self._traced(
            self._named(link, body),
            "gateway/connect",
            body,
            lambda sub_device, _: Outcome(self._presence.heard(sub_device), ()),
        )

    def disconnect(self, link: GatewayLink, payload: bytes) -> Outcome:
        """``gateway/disconnect`` with ``{"device": address}``."""
        body = decode_object(payload)
        return self._traced(self._named(link, body), "gateway/disconnect", body, self._leave)

    def _leave(self, sub_device: SubDeviceState, _: Any) -> Outcome:
        self._presence.leave(sub_device, "disconnected")
        return Outcome(TaskCommit(after(sub_device.moves)), ())

    def report_attributes(self, link: GatewayLink, payload: bytes) -> Outcome:
        """``gateway/attributes`` with ``{address: {attributes}, …}``."""
        return self._each(link, decode_object(payload), "gateway/attributes", self._report_values)

    def report_series(self, link: GatewayLink, payload: bytes) -> Outcome:
        """``gateway/attributes/series`` with ``{address: [{"ts", "attributes"}, …], …}`` (wire reference §15.1)."""
        body = decode_object(payload)
        if sum(len(items) for items in body.values() if isinstance(items, list)) > MAX_SERIES_REPORTS:
            raise InvalidInput("series_too_long", maximum=MAX_SERIES_REPORTS)
        return self._each(link, body, "gateway/attributes/series", self._report_series)

    def report_event(self, link: GatewayLink, payload: bytes) -> tuple[Outcome, str]:
        """``gateway/event/report`` with ``{"device", "event": {"method", "params", "id"}}``. Also returns the
        address."""
        body = decode_object(payload)
        sub_device = self._named(link, body)
        outcome = self._traced(
            sub_device,
            "gateway/event/report",
            body,
            lambda sub_device, body: self._ingest.take_event(sub_device.link, _member(body, "event")),
        )
        self._presence.heard(sub_device)
        return outcome, sub_device.address

    def reply(self, link: GatewayLink, payload: bytes) -> tuple[Outcome, str]:
        """``gateway/command/reply`` with ``{"device", "command" or "reply": {…}}``, or with the members of a reply
        beside ``device`` (wire reference §15.34). Also returns the address."""
        body = decode_object(payload)
        sub_device = self._named(link, body)
        reply = next((body[name] for name in ("command", "reply") if isinstance(body.get(name), dict)), body)
        self._presence.heard(sub_device)
        taken = self._traced(
            sub_device,
            "gateway/command/reply",
            reply,
            lambda sub_device, reply: self._control.take_reply(sub_device.link.device, None, reply),
        )
        return taken, sub_device.address

    async def attributes(self, link: GatewayLink, payload: bytes) -> tuple[str, dict[str, Any]]:
        """``gateway/attributes/get`` with ``{"device", "get": {"keys"}}``. Returns the address and the current values;
        without keys all of them."""
        body = decode_object(payload)
        sub_device = self._named(link, body)
        device = sub_device.link.device
        if self._trace.wants(device):
            self._trace.request(device, "gateway", "gateway/attributes/get", payload)
        keys = _wanted(body.get("get"))
        found = await self._store.history.current(sub_device.link.device.number)
        names = [key for key in keys if key in found] if keys else sorted(found)
        return sub_device.address, {name: found[name].value for name in names}

    async def idle(self) -> None:
        """Waits until all announced changes are applied."""
        await self._presence.close()

    async def close(self) -> None:
        """Ends the sweep; waits for changes of presence in progress."""
        for subscription in self._subscriptions:
            subscription.cancel()
        await self._sweeper.close()
        await self._presence.close()

    def _each(
        self, link: GatewayLink, body: dict[str, Any], topic: str, take: Callable[[SubDeviceState, Any], Outcome]
    ) -> Outcome:
        commit: Commit | None = None
        refused: list[FieldError] = []
        for address, content in body.items():
            sub_device = link.sub_devices.get(address)
            if sub_device is None:
                refused.append(FieldError.of(address[:128], "no_such_sub_device"))
                continue
            try:
                if self._trace.active and self._trace.wants(sub_device.link.device):
                    outcome = self._traced(sub_device, topic, content, take)
                else:
                    outcome = take(sub_device, content)
            except InvalidInput as exc:
                named = [FieldError(_within(address, error.field), error.reason) for error in exc.errors]
                refused.extend(named or [FieldError(address[:128], exc.reason)])
                continue
            commit = outcome.commit or commit
            link.reported.add(sub_device.link.device.number)
            refused.extend(FieldError(_within(address, error.field), error.reason) for error in outcome.refused)
            self._presence.heard(sub_device)
        return Outcome(commit, tuple(refused))

    def _traced(
        self, sub_device: SubDeviceState, topic: str, content: Any, take: Callable[[SubDeviceState, Any], Outcome]
    ) -> Outcome:
        """Handles a message of a sub-device with ``take``, and traces it."""
        device = sub_device.link.device
        if not self._trace.wants(device):
            return take(sub_device, content)
        payload = msgspec.json.encode(content)  # encoded before ``take`` modifies it
        return self._trace.up(
            device, "gateway", topic, payload, None, lambda: take(sub_device, content), lambda outcome: outcome
        )

    def _report_values(self, sub_device: SubDeviceState, content: Any) -> Outcome:
        content = as_object(content)
        if not isinstance(content, dict):
            raise InvalidInput("attributes_object_expected")
        return self._ingest.report_values(sub_device.link, content)

    def _report_series(self, sub_device: SubDeviceState, content: Any) -> Outcome:
        return self._ingest.take_series(sub_device.link, content)

    @staticmethod
    def _named(link: GatewayLink, body: dict[str, Any]) -> SubDeviceState:
        address = body.get("device")
        if not isinstance(address, str):
            raise InvalidInput.field("device", "address_expected")
        sub_device = link.sub_devices.get(address)
        if sub_device is None:
            raise InvalidInput.field("device", "no_such_sub_device")
        return sub_device

    async def sweep(self) -> None:
        """Sets sub-devices offline that have sent nothing for the time-out."""
        silent_since_s = self._clock.monotonic_s() - self._timeout_s
        for sub_device in self._by_device.values():
            if sub_device.online and sub_device.heard_s <= silent_since_s:
                self._presence.leave(sub_device, "timeout")

    # Changes of the registry

    async def _enter(self, link: GatewayLink, device: Device) -> None:
        address = device.sub_address
        if address is not None and address not in link.sub_devices:
            sub_device = SubDeviceState(link, address, await self._ingest.link(device))
            link.sub_devices[address] = self._by_device[device.id] = sub_device

    def _added(self, message: SubDeviceAdded) -> None:
        link = self._gateways.get(message.gateway_id)
        if link is not None:
            self._presence.run(self._enter_new(link, message))

    async def _enter_new(self, link: GatewayLink, message: SubDeviceAdded) -> None:
        await self._enter(link, await self._store.devices.get(message.project_id, message.device_id))

    def _revoked(self, message: SessionsRevoked) -> None:
        for device_id in message.device_ids:
            sub_device = self._by_device.get(device_id)
            if sub_device is not None:
                self._presence.run(self._leave_removed(sub_device, message.reason))

    async def _leave_removed(self, sub_device: SubDeviceState, reason: str) -> None:
        """Sub-devices have no certificate that could be revoked; one only leaves if it was removed, or its gateway or
        address has changed."""
        before = sub_device.link.device
        device = await self._store.devices.find_by_number(before.number)
        place = None if device is None else (device.gateway_id, device.sub_address)
        if place != (sub_device.gateway.device.id, sub_device.address):
            if self._by_device.get(before.id) is sub_device:
                del self._by_device[before.id]
            sub_device.gateway.sub_devices.pop(sub_device.address, None)
            self._presence.leave(sub_device, reason)


def _wanted(get: Any) -> list[str]:
    keys = get.get("keys") if isinstance(get, dict) else get
    if keys in (None, []):  # PHP encodes an empty object as []
        return []
    if not isinstance(get, dict) or not isinstance(keys, list) or not all(isinstance(key, str) for key in keys):
        raise InvalidInput.field("get", "get_must_be_object")
    return keys


def _member(body: dict[str, Any], name: str) -> dict[str, Any]:
    member = as_object(body.get(name))
    if not isinstance(member, dict):
        raise InvalidInput.field(name, "must_be_object")
    return member


def _within(address: str, field: str) -> str:
    """The name of a field of a sub-device: ``meter.t``, ``meter[3].ts``."""
    return address[:128] + ("" if field.startswith("[") else ".") + field
