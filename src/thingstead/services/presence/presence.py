"""Presence: a device is online exactly as long as the row of its live session exists.

The store decides which session owns a device, so online and offline messages of a device alternate, and a session that
was taken over never ends as "offline". Every change is in the device's connection log, in its transaction,
so that the log alternates whatever ends the server. If the store is unavailable, the end of a session is retried.
"""

import asyncio
from contextlib import suppress
from itertools import islice
from typing import Any, NamedTuple

import structlog

from thingstead.bus.base import Bus
from thingstead.clock import Clock
from thingstead.errors import NotAuthenticated, ThingsteadError, Unavailable
from thingstead.model.addresses import host_of
from thingstead.model.device import Device, DeviceSession, Page
from thingstead.model.messages import PresenceChanged
from thingstead.refusals import reason
from thingstead.repeating import Repeating
from thingstead.services.accounts.log_ins import LogIns, UnknownLogIn
from thingstead.services.forwarding.tap import ForwardTap
from thingstead.services.shared.device_logs import DeviceLogService
from thingstead.services.shared.lru import Lru
from thingstead.services.shared.message_trace import Plane, Traced
from thingstead.services.shared.rate_limit import TokenBuckets
from thingstead.storage.base import Store
from thingstead.storage.base_devices import ConnectionEntry

log = structlog.get_logger("thingstead.presence")

NEW_MS = 86_400_000  # age of a device up to which its first connection is logged
CONFLICT_TAKEOVERS = 3  # takeovers within the window that count as a conflict of two clients over one certificate
CONFLICT_WINDOW_MS = 60_000
INSTANTS_KEPT = 50_000  # devices whose newest change is cached
UNKNOWN_KEPT = 10_000  # projects whose newest log-in with an unknown AccessToken is in memory
RETRY_S = 2.0  # delay before ends of sessions that could not be stored are retried …
ENDED_AT_ONCE = 200  # … so many concurrently
TOLD_AT_START = 1_000  # ends of sessions of an earlier run that are told before anybody can connect
WARNINGS, WARNING_INTERVAL_S = 1, 600.0  # per device: a conflict may last for days
RESTARTED = "the server was restarted"


class _End(NamedTuple):
    """The end of a session, to be stored."""

    device: Device
    session_id: str
    reason: str
    at: int  # ms


class PresenceService:
    """Log-in of devices, and their sessions."""

    def __init__(
        self,
        store: Store,
        bus: Bus,
        clock: Clock,
        logs: DeviceLogService,
        node: str,
        log_ins: LogIns | None = None,
        forwards: ForwardTap | None = None,
    ) -> None:
        self._store = store
        self._forwards = forwards or ForwardTap(store, clock)
        self._log_ins = log_ins or LogIns(clock)
        self._bus = bus
        self._clock = clock
        self._logs = logs
        self._warnings = TokenBuckets(clock, WARNINGS, WARNING_INTERVAL_S)
        self.node = node  # name of this server node
        self._instants: Lru[int, int] = Lru(INSTANTS_KEPT)  # of the newest change, by device number
        self._unknown: Lru[str, UnknownLogIn] = Lru(UNKNOWN_KEPT)  # by project id
        self._opening: dict[str, asyncio.Future[None]] = {}  # sessions that are being stored, by their id
        self._left: dict[int, str] = {}  # by device number: sessions of an earlier run whose ends are not told yet
        self._recovered_at = 0  # ms
        self._telling = Repeating("news of sessions of an earlier run", self.tell_left, RETRY_S, at_start=True)
        self._unended: dict[int, _End] = {}  # ended sessions that are still stored, by device number
        self._retry = Repeating("the ends of sessions", self.end_again, RETRY_S)
        self.previous_key_log_ins = 0  # with the previous ProjectKey, after a rotation

    async def recover(self) -> int:
        """Ends the sessions that an earlier run of this node left. Call it at the start, before any device connects.
        Returns their number. On return all of them have ended; of more than :data:`TOLD_AT_START` the news of some
        follow in the background, each before its device comes online again."""
        self._recovered_at = self._clock.now_ms()
        entry = ConnectionEntry(self._recovered_at, lambda ended: _ended(ended, RESTARTED))
        self._left = dict(await self._store.presence.clear_node(self.node, entry))
        count = len(self._left)
        for _ in range(0, min(count, TOLD_AT_START), ENDED_AT_ONCE):
            await self._tell_some()
        if self._left:
            self._telling.start()
        return count

    async def tell_left(self) -> None:
        """Tells the ends of the sessions that an earlier run left, as far as they are not told."""
        while self._left:
            await self._tell_some()

    async def _tell_some(self) -> None:
        some = list(islice(self._left, ENDED_AT_ONCE))
        await asyncio.gather(*map(self._tell_left, some))

    async def _tell_left(self, number: int) -> None:
        device = await self._store.devices.find_by_number(number)
        if device is None:
            self._left.pop(number, None)
        else:
            await self._read_instant(device)
            self._tell_restart(device)

    def _tell_restart(self, device: Device) -> None:
        session_id = self._left.pop(device.number, None)
        if session_id is not None:  # it was not told meanwhile, because the device connected
            ts = self._instant(device, self._recovered_at)
            self._forwards.now(device, "presence", ts, {"online": False, "reason": RESTARTED})
            self._tell_end(device, session_id, RESTARTED, ts)

    async def authenticate(
        self, access_token: str, project_key: str, remote_host: str, plane: Plane = "mqtt"
    ) -> Device:
        """The device with this certificate (wire reference §3.1). Only wrong certificates are throttled: many devices
        may share an address with one that sends a wrong one.

        Raises:
            NotAuthenticated: no such certificate; the message does not say which part is wrong. If only the ProjectKey
                is wrong, the device's log says so.
            TooManyRequests: the certificate is wrong, after too many wrong ones from this address.
        """
        device = await self._store.devices.find_by_access_token(access_token)
        if device is not None:
            project = await self._store.projects.get(device.project_id)
            if project.accepts_key(project_key, self._clock.now_ms()):
                self.previous_key_log_ins += project_key == project.previous_project_key
                return device
            why = reason("wrong_project_key", address=remote_host)
            self._logs.rejected(device, "log-in", why, (), b"")
            if self._logs.trace.wants(device):
                Traced(self._logs.trace, device, "up", plane, "log-in", b"", None).refused(why, ())
        self._log_ins.devices.failed(remote_host, "" if device is None else device.id)
        if device is None:
            await self._note_unknown(project_key, remote_host, plane)
        raise NotAuthenticated("certificate_invalid")

    async def _note_unknown(self, project_key: str, remote_host: str, plane: Plane) -> None:
        """Notes that an AccessToken of no device came with the ProjectKey of a project."""
        project = await self._store.projects.find_by_project_key(project_key) if project_key else None
        if project is not None and project.accepts_key(project_key, self._clock.now_ms()):
            self._unknown.put(project.id, UnknownLogIn(self._clock.now_ms(), remote_host, plane))

    def unknown_log_in(self, project_id: str) -> UnknownLogIn | None:
        """The newest log-in on this node with the ProjectKey of the project and an AccessToken of no device."""
        return self._unknown.get(project_id)

    async def open(self, device: Device, session: DeviceSession) -> None:
        """Makes ``session`` the live session of the device; any other session, on any node, must then end. On return
        the row is committed, and :class:`PresenceChanged` was published with the session that was taken over.

        Whoever stops waiting stops nothing: the row may be committed already, and its news must come before those of
        its end.
        """
        opening = asyncio.ensure_future(self._open(device, session))
        self._opening[session.session_id] = opening
        opening.add_done_callback(lambda done: self._opened(session.session_id, done))
        await asyncio.shield(opening)

    def _opened(self, session_id: str, opening: "asyncio.Future[None]") -> None:
        del self._opening[session_id]
        if not opening.cancelled():
            opening.exception()  # whoever waited has it; if nobody does any more, it concerns nobody

    async def _open(self, device: Device, session: DeviceSession) -> None:
        first = await self._is_first(device, session)
        await self._read_instant(device)
        self._tell_restart(device)
        ts = self._instant(device, session.connected_at)
        content = {"online": True, "reason": "connected", "protocol": session.protocol}
        with self._forwards.beside(device, "presence", ts, content) as beside:
            entry = ConnectionEntry(ts, lambda replaced: _begun(session, replaced), beside.segment)
            replaced = await self._store.presence.open_session(device.number, session, entry)
            beside.stored = True
        if first:
            log.info(
                "a device connected for the first time",
                device=device.id,
                protocol=session.protocol,
                remote_address=session.remote_address,
            )
        self._bus.publish(
            PresenceChanged(
                device_id=device.id,
                online=True,
                session_id=session.session_id,
                replaced=replaced.session_id if replaced else None,
                reason=_reason(replaced),
                ts=ts,
            )
        )
        if replaced is not None and session.protocol != "gateway":
            await self._warn_of_conflict(device)

    async def _is_first(self, device: Device, session: DeviceSession) -> bool:
        """Whether a device that is not older than :data:`NEW_MS` has never connected. Others are not looked up: after a
        restart of the server all of them connect at once."""
        if session.connected_at - device.create_time > NEW_MS:
            return False
        view = await self._store.devices.get_view(device.project_id, device.id)
        return "connect" not in view.active

    async def close(self, device: Device, session_id: str, reason: str) -> None:
        """Ends a session. No effect if another session owns the device by now. If the store is unavailable, the end is
        stored and published later."""
        opening = self._opening.get(session_id)
        if opening is not None:
            await asyncio.wait([opening])
        end = _End(device, session_id, reason, self._clock.now_ms())
        try:
            await self._end(end)
        except Unavailable as exc:
            await self._end_later(end, exc)

    async def _end(self, end: "_End") -> None:
        await self._read_instant(end.device)
        ts = self._instant(end.device, end.at)
        content = {"online": False, "reason": end.reason}
        with self._forwards.beside(end.device, "presence", ts, content) as beside:
            entry = ConnectionEntry(ts, lambda ended: _ended(ended, end.reason), beside.segment)
            beside.stored = await self._store.presence.close_session(end.device.number, end.session_id, entry)
        if beside.stored:
            self._tell_end(end.device, end.session_id, end.reason, ts)
        if self._unended.get(end.device.number) == end:
            del self._unended[end.device.number]

    async def _end_later(self, end: "_End", error: Unavailable) -> None:
        with suppress(Unavailable):  # nothing can be read either: the retry will see whether there is a session to end
            owner = await self._store.presence.find_session(end.device.number)
            if owner is None or owner.session_id != end.session_id:
                return  # the session was never stored, or another one owns the device
        if not self._unended:
            log.warning("ended sessions could not be stored; retrying", error=str(error))
        self._unended[end.device.number] = end
        self._retry.start()

    async def end_again(self) -> None:
        """Retries the ends of sessions that could not be stored."""
        while ends := list(islice(self._unended.values(), ENDED_AT_ONCE)):
            done = await asyncio.gather(*map(self._end, ends), return_exceptions=True)
            for error in done:
                if isinstance(error, Unavailable):
                    return
                if error is not None:
                    raise error

    async def stop(self) -> None:
        """Stops the retries. The next start ends the remaining sessions."""
        await self._telling.close()
        await self._retry.close()

    def _tell_end(self, device: Device, session_id: str, reason: str, ts: int) -> None:
        news = PresenceChanged(
            device_id=device.id,
            online=False,
            session_id=session_id,
            replaced=None,
            reason=reason,
            ts=ts,
        )
        self._bus.publish(news)

    async def _read_instant(self, device: Device) -> None:
        """Reads the instant (ms) of the previous change, if it is not known. Call it before a change, so that nothing
        is awaited between the change and its news."""
        if self._instants.get(device.number) is None:
            newest = 0
            with suppress(ThingsteadError):  # a damaged page of the log must not prevent a log-in
                newest = await self._store.device_logs.newest_ts(device.number, "connection")
            self._instants.put(device.number, max(newest, self._instants.get(device.number) or 0))

    def _instant(self, device: Device, at: int) -> int:
        """The instant (ms) of a change; if the previous one seems later, because the clock was set back, the instant of
        that."""
        newest = max(self._instants.get(device.number) or 0, at)
        self._instants.put(device.number, newest)
        return newest

    async def find_session(self, device: Device) -> DeviceSession | None:
        """The live session of the device, or None."""
        return await self._store.presence.find_session(device.number)

    async def conflict(self, device: Device) -> list[dict[str, str]]:
        """The clients that use the device's certificate alternately: ``client_id`` and newest ``remote_address`` of
        each; empty if there is no conflict. A conflict is at least three takeovers within a minute, in the connection
        log of all nodes. Connections with the same client identifier and host are one client."""
        entries, _ = await self._logs.list_page(device, "connection", Page(records=2 * CONFLICT_TAKEOVERS))
        since = self._clock.now_ms() - CONFLICT_WINDOW_MS
        takeovers = [entry.body for entry in entries if entry.ts >= since and entry.body.get("replaced")]
        if len(takeovers) < CONFLICT_TAKEOVERS:
            return []
        clients: dict[tuple[str, str], str] = {}
        for body in takeovers:  # newest first
            address = body["remote_address"]
            clients.setdefault((body["client_id"], host_of(address)), address)
        return [{"client_id": name, "remote_address": address} for (name, _), address in sorted(clients.items())]

    async def _warn_of_conflict(self, device: Device) -> None:
        clients = await self.conflict(device)
        suppressed = self._warnings.take(device.number) if clients else None
        if suppressed is not None:
            event = "clients fight over one device certificate"
            log.warning(event, device=device.id, clients=clients, suppressed=suppressed)


def _reason(replaced: object) -> str:
    return "taken over" if replaced else "connected"


def _begun(session: DeviceSession, replaced: str | None) -> dict[str, Any]:
    """The entry of a connection log for a session that began."""
    return {
        "online": True,
        "reason": _reason(replaced),
        "session_id": session.session_id,
        "replaced": replaced,
        "protocol": session.protocol,
        "client_id": session.client_id,
        "remote_address": session.remote_address,
    }


def _ended(session_id: str | None, reason: str) -> dict[str, Any]:
    """The entry of a connection log for a session that ended."""
    return {
        "online": False,
        "reason": reason,
        "session_id": session_id,
        "replaced": None,
        "protocol": "",
        "client_id": "",
        "remote_address": "",
    }
