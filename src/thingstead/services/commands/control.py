"""Pushes attributes and sends commands to devices, and receives their replies.

A command is a row whose state only moves forward. It is stored, then announced on the bus; the node with the device's
connection sends it and publishes its state. Callers that wait, on any node, are notified by the bus.
"""

import asyncio
from collections.abc import Container, Sequence
from typing import Any

from thingstead.bus.base import Bus
from thingstead.clock import Clock
from thingstead.errors import DeviceOffline, FieldError, InvalidInput, ReplyTimeout
from thingstead.model import device_answers, limits
from thingstead.model.command import Command, OpenCommand
from thingstead.model.device import Device
from thingstead.model.ids import new_id
from thingstead.model.messages import CommandChanged
from thingstead.model.report import Source
from thingstead.model.values.checking import check_params, valid_identifier
from thingstead.refusals import Reason, reason
from thingstead.repeating import Repeating
from thingstead.services.audit.audit import note_control
from thingstead.services.commands.replies import CommandReplies
from thingstead.services.commands.states import (
    REPLY_LIFETIME_MS,
    CommandMoves,
    PendingCommand,
    PendingCommands,
    issued,
    params_size_bytes,
)
from thingstead.services.ingest.device_context import DeviceContext
from thingstead.services.ingest.ingest import IngestService, Outcome
from thingstead.services.ingest.pushes import PushService
from thingstead.services.shared.commits import TaskCommit, settled
from thingstead.services.shared.device_logs import DeviceLogService
from thingstead.services.shared.payloads import as_object, decode_object, leave_out_of_range
from thingstead.services.shared.recorded_reasons import recorded_reason
from thingstead.storage.base import Store

DEFAULT_COMMAND_ID = 1000  # the only id that some firmware accepts (wire reference §15.6)
HANDOVER_TIMEOUT_S = 5.0  # how long a caller waits until the device's connection has accepted a command
EXPIRY_INTERVAL_S = 1.0
EXPIRED_AT_ONCE = 500  # in one transaction
PENDING_COUNT, PENDING_BYTES = 64, 1 << 20  # commands that a connection reads at once, and limit of their params
MAX_WAIT_MS = 7 * 24 * 3600 * 1000  # the longest time a command may wait for an offline device


class ControlService:
    """Pushes, cloud attributes, commands and their replies."""

    def __init__(self, store: Store, bus: Bus, clock: Clock, ingest: IngestService, logs: DeviceLogService) -> None:
        self.pushes = PushService(bus, clock, ingest, logs)
        self._store = store
        self._bus = bus
        self._clock = clock
        self._ingest = ingest
        self._trace = logs.trace
        self._counts = logs.counts
        self._waiting: dict[str, asyncio.Future[CommandChanged]] = {}  # by row id, for its next change
        self._moves = CommandMoves(store, bus, clock)
        self._replies = CommandReplies(store, bus, clock, self._moves, logs, ingest.forwards)
        self._subscription = bus.subscribe(CommandChanged, self._heard)
        self._clock_set_back = False
        self._expiry = Repeating("command expiry", self.expire_due, EXPIRY_INTERVAL_S)

    def start(self) -> None:
        """Starts the task that expires commands, including those of earlier runs."""
        self._expiry.start()

    # Attributes

    async def push_attributes(
        self, project_id: str, device_id: str, attributes: dict[str, Any]
    ) -> tuple[FieldError, ...]:
        """Stores values and sends ``attributes/push`` if the device is connected; pushes are not queued, an offline
        device reads the values with ``attributes/get`` (wire reference §15.8). Modifies ``attributes``.

        Returns:
            The attributes that were refused because they do not match the definition of the type.

        Raises:
            NotFound: no such device in the project.
            InvalidInput: all attributes were refused; nothing is stored or sent.
        """
        link = await self._ready(project_id, device_id, attributes)
        push = await self.pushes.prepare(link, attributes)
        refused = await self._settled(link, "push", push.attributes, self.pushes.store(push))
        self.pushes.send(push)
        return refused

    async def update_cloud_attributes(
        self, project_id: str, device_id: str, attributes: dict[str, Any]
    ) -> tuple[FieldError, ...]:
        """Stores values in the cloud; nothing is sent to the device. Otherwise as :meth:`push_attributes`."""
        link = await self._ready(project_id, device_id, attributes)
        return await self._settled(link, "cloud", attributes, self._ingest.set_values(link, attributes, "cloud"))

    async def _ready(self, project_id: str, device_id: str, attributes: dict[str, Any]) -> DeviceContext:
        """The context of a device that is not congested."""
        device = await self._store.devices.get(project_id, device_id)
        if not attributes:
            raise InvalidInput("attributes_required")
        await self._ingest.await_room(device)
        return await self._ingest.link(device)

    async def _settled(
        self, link: DeviceContext, source: Source, attributes: dict[str, Any], outcome: Outcome
    ) -> tuple[FieldError, ...]:
        """What was refused of values, once the others are on disk."""
        if outcome.commit is None:
            raise InvalidInput.of(outcome.refused)
        note_control(self._store, link.device, source, attributes)
        await settled(outcome.commit)
        return tuple(outcome.refused)

    # Commands

    async def send_command(
        self,
        project_id: str,
        device_id: str,
        method: str,
        params: Any = None,
        command_id: int | None = None,
        *,
        wait_ms: int = 0,
    ) -> Command:
        """Issues a command; waits until a connection has sent it, or for ``HANDOVER_TIMEOUT_S``.

        Args:
            params: an object; None means ``{}``.
            command_id: the ``id`` on the wire; None means 1000.
            wait_ms: how long it may wait for an offline device; 0: refuse instead.

        Returns:
            The command with its current state: ``sent`` or later, or ``queued``.

        Raises:
            NotFound, InvalidInput: an argument is unknown or invalid.
            DeviceOffline: ``wait_ms`` is 0 and no connection of the device accepted the command.
            Conflict: too many commands of the device, or too many bytes of them, are open.
        """
        command, taken = await self.issue_command(project_id, device_id, method, params, command_id, wait_ms=wait_ms)
        return await self._store.commands.get(command.device_id, command.id) if taken else command

    async def issue_command(
        self,
        project_id: str,
        device_id: str,
        method: str,
        params: Any = None,
        command_id: int | None = None,
        *,
        wait_ms: int = 0,
    ) -> tuple[Command, bool]:
        """:meth:`send_command` for a caller that waits for the reply. Returns the issued command (``queued``), and
        whether a connection accepted it."""
        device = await self._store.devices.get(project_id, device_id)
        command = await self.draft(device, method, params, command_id, wait_ms)
        online = await self._store.presence.find_session(device.number) is not None
        if not online and not wait_ms:
            if self._trace.wants(device):
                topic, payload = f"command/send/{command.command_id}", device_answers.command(issued(command))
                self._trace.no_session(project_id, device.id, topic, payload)
            raise DeviceOffline("device_offline")
        await self._store.commands.create(command)
        news = self._next_news(command.id) if online else None
        self.announce(command)
        if news is None:
            return command, False
        try:
            # Not wait_for(), which in Python 3.11 loses a cancellation that arrives together with the result.
            async with asyncio.timeout(HANDOVER_TIMEOUT_S):
                heard = await news
        except TimeoutError:
            if wait_ms:
                return command, False
            why = await self._reason_not_taken(command)
            await self._moves.move(command.id, "failed", why)
            raise DeviceOffline(_why(why)) from None
        finally:
            self._waiting.pop(command.id, None)
        if heard.state == "queued" and not wait_ms:
            await self._moves.move(command.id, "failed", heard.reason)
            raise DeviceOffline(_why(heard.reason))
        return command, True

    def announce(self, command: Command) -> None:
        """Announces a stored ``queued`` command that may wait for a connection of its device."""
        self._counts.of(command.project_id).down_commands += 1
        self._bus.publish(issued(command))

    async def hand_over(self, commands: Sequence[Command], *, wait: bool) -> list[tuple[Command, DeviceOffline]]:
        """Announces stored ``queued`` commands to the connections of their devices. Without ``wait``, commands that no
        connection accepts within :data:`HANDOVER_TIMEOUT_S` fail, and are returned with the reason."""
        news = [self._next_news(command.id) for command in commands]
        try:
            for command in commands:
                self.announce(command)
            if wait or not news:
                return []
            await asyncio.wait(news, timeout=HANDOVER_TIMEOUT_S)
        finally:
            for command in commands:
                self._waiting.pop(command.id, None)
        failed: list[tuple[Command, DeviceOffline]] = []
        for command, heard in zip(commands, news, strict=True):
            if heard.done() and heard.result().state != "queued":
                continue
            reason = heard.result().reason if heard.done() else await self._reason_not_taken(command)
            await self._moves.move(command.id, "failed", reason)
            failed.append((command, DeviceOffline("command_failed", reason=reason)))
        return failed

    async def await_reply(self, command: Command, timeout_s: float) -> Command:
        """Waits for the reply to a command.

        Raises:
            ReplyTimeout: no reply within ``timeout_s``.
            DeviceOffline: the command failed or expired first.
        """
        deadline = self._clock.monotonic_s() + timeout_s
        while True:
            news = self._next_news(command.id)
            try:
                command = await self._store.commands.get(command.device_id, command.id)
                if command.state == "replied":
                    return command
                if command.state in ("failed", "expired"):
                    raise DeviceOffline(_why(command.reason or f"the command {command.state}"))
                async with asyncio.timeout(max(0.0, deadline - self._clock.monotonic_s())):
                    await news
            except TimeoutError:
                raise ReplyTimeout("no_reply_in_time") from None
            finally:
                self._waiting.pop(command.id, None)

    async def _reason_not_taken(self, command: Command) -> str:
        for earlier in await self._store.commands.list_open(command.device_id):
            if earlier.id == command.id:
                break
            if earlier.state == "sent" and earlier.sent_qos:
                first = await self._store.commands.get(command.device_id, earlier.id)
                return (
                    f"the device has not acknowledged the command {first.method} (id {first.command_id}) yet; the "
                    "next command waits for it"
                )
        return "no connection of the device accepted the command"

    async def get_command(self, project_id: str, row_id: str) -> Command:
        """Raises NotFound if the project has no such command."""
        return await self._store.commands.get_of_project(project_id, row_id)

    async def pending(self, device_id: str, exclude: Container[str] = ()) -> PendingCommands:
        """The oldest commands that the device has not acknowledged, in order of issue: queued ones, and those sent at
        QoS 1, possibly over a connection that has ended. Expired ones are set to ``expired`` and left out.

        Args:
            exclude: row ids to leave out.
        """
        pending: list[PendingCommand] = []
        size_bytes, now = 0, self._clock.now_ms()
        for command in await self._unacknowledged(device_id, exclude):
            if command.expire_time <= now:
                await self._moves.move(command.id, "expired", "no connection accepted it in time")
                continue
            if len(pending) == PENDING_COUNT or size_bytes >= PENDING_BYTES:
                return PendingCommands(pending, True)
            size_bytes += command.size_bytes
            row = await self._store.commands.get(device_id, command.id)
            pending.append(PendingCommand(issued(row), command.state == "sent"))
        return PendingCommands(pending, False)

    async def _unacknowledged(self, device_id: str, exclude: Container[str]) -> list[OpenCommand]:
        """Unacknowledged commands, expired ones included. Waits for state changes in progress, so that a command that
        is being sent is not returned as queued."""
        while True:
            commands = [
                command
                for command in await self._store.commands.list_open(device_id)
                if command.id not in exclude
                and (command.state == "queued" or (command.state == "sent" and command.sent_qos != 0))
            ]
            moving = [command.id for command in commands if self._moves.under_way(command.id)]
            if not moving:
                return commands
            await self._moves.stored(*moving)

    def command_sent(self, row_id: str, qos: int) -> None:
        """Records that the command was sent on the device's connection. At QoS 0 it is never sent again."""
        self._moves.move_later(row_id, "sent", sent_qos=qos)

    def command_delivered(self, row_id: str) -> None:
        """Records that the device acknowledged the command's PUBLISH."""
        self._moves.move_later(row_id, "delivered")

    def command_refused(self, row_id: str, reason: str) -> None:
        """Records that the device refused the command's PUBLISH with a failure (MQTT 5.0): it will not execute it."""
        self._moves.move_later(row_id, "failed", reason)

    def command_failed(self, row_id: str, reason: str) -> None:
        """Announces that no connection can send the command now; ``reason`` is for people. It fails if its sender does
        not let it wait, and otherwise stays queued."""
        self._bus.publish(CommandChanged("", row_id, 0, "", "queued", reason))

    async def abandon(self, row_id: str, reason: str) -> None:
        """Sets the command to failed, unless it has ended: later replies no longer match it."""
        await self._moves.move(row_id, "failed", reason)

    def reply(self, device: Device, topic_id: int | None, payload: bytes) -> Outcome:
        """Handles a ``command/reply`` (wire reference §3.3), for the command that
        :func:`~thingstead.services.commands.replies.find_answered` finds; a reply without a matching command is
        accepted and logged.

        Raises:
            InvalidInput: the payload is not a JSON object.
        """
        return self.take_reply(device, topic_id, decode_object(payload))

    def take_reply(self, device: Device, topic_id: int | None, body: dict[str, Any]) -> Outcome:
        """:meth:`reply` with a decoded payload. Members that cannot be stored are removed and returned as refused."""
        if body.get("params") == []:
            body["params"] = {}  # PHP encodes an empty object as a list
        params = body.get("params")
        refused = leave_out_of_range(params, "params.") if isinstance(params, dict) else ()
        refused += leave_out_of_range(body)
        self._counts.of(device.project_id).up_replies += 1
        return Outcome(TaskCommit(self._replies.take(device, topic_id, body)), refused)

    def clock_set_back(self, now: int, by_ms: int) -> None:
        """Handles that the server clock was set back: expiry times of commands are limited to what was promised, by the
        next :meth:`expire_due`."""
        self._clock_set_back = True

    async def expire_due(self) -> None:
        """Ends every command whose time is over, and publishes those that became ``expired``."""
        if self._clock_set_back:
            await self._store.commands.clock_set_back(self._clock.now_ms(), REPLY_LIFETIME_MS)
            self._clock_set_back = False
        while ended := await self._store.commands.expire(self._clock.now_ms(), EXPIRED_AT_ONCE):
            for news in ended:
                if news.state == "expired":
                    self._bus.publish(news)

    async def close(self) -> None:
        """Waits for state changes in progress."""
        await self._expiry.close()
        self._subscription.cancel()
        await self._moves.close()

    async def draft(
        self, device: Device, method: str, params: Any = None, command_id: int | None = None, wait_ms: int = 0
    ) -> Command:
        """The command that :meth:`send_command` would issue, checked but not stored. Raises InvalidInput."""
        errors: list[FieldError] = []
        if not valid_identifier(method):
            errors.append(FieldError.of("method", "bad_identifier"))
        params = {} if params is None else as_object(params)
        compiled = await self._ingest.links.compiled(device)
        defined = compiled.commands.get(method)
        errors.extend(check_params(defined.params if defined else (), params))
        size_bytes = params_size_bytes(params, errors)
        command_id = DEFAULT_COMMAND_ID if command_id is None else command_id
        if not 0 <= command_id <= limits.COMMAND_ID:
            errors.append(FieldError.of("id", "between", minimum=0, maximum=limits.COMMAND_ID))
        if not 0 <= wait_ms <= MAX_WAIT_MS:
            errors.append(FieldError.of("wait_ms", "between", minimum=0, maximum=MAX_WAIT_MS))
        if errors:
            raise InvalidInput.of(errors)
        now = self._clock.now_ms()
        return Command(
            id=new_id() + new_id(),
            project_id=device.project_id,
            device_id=device.id,
            method=method,
            params=params,
            command_id=command_id,
            create_time=now,
            expire_time=now + (wait_ms or REPLY_LIFETIME_MS),
            update_time=now,
            size_bytes=size_bytes,
            reply_defined=bool(defined and defined.reply_params),
        )

    def _next_news(self, row_id: str) -> asyncio.Future[CommandChanged]:
        future = self._waiting[row_id] = asyncio.get_running_loop().create_future()
        return future

    def _heard(self, news: CommandChanged) -> None:
        future = self._waiting.get(news.command_row_id)
        if future is not None and not future.done():
            future.set_result(news)


def _why(text: str) -> Reason:
    """The error of a failed command, for its caller."""
    known = recorded_reason(text)
    return known if known.code else reason("command_failed", reason=text)
