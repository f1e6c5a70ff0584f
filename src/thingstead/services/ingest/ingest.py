"""Decodes and checks what devices send, and adds it to the next commit.

The hot path is synchronous: no coroutine, task or lock per message. A connection gets a :class:`DeviceContext` once and
passes it with every payload; the result contains the commit to wait for before an acknowledgement is sent.
"""

import asyncio
from collections.abc import Sequence
from functools import partial
from typing import Any, NamedTuple

from thingstead.bus.base import Bus
from thingstead.clock import Clock
from thingstead.errors import FieldError, InvalidInput, Unavailable
from thingstead.model.device import Device
from thingstead.model.ids import new_id
from thingstead.model.message_rules.work import Cause
from thingstead.model.messages import EventReported, ReportsCommitted
from thingstead.model.report import EventRecord, Report, Source
from thingstead.model.values.checking import check_params, valid_identifier
from thingstead.services.alarms.device import DeviceAlarms
from thingstead.services.alarms.evaluations import AlarmEvaluations, check_ready
from thingstead.services.functions.pool import FunctionPool
from thingstead.services.ingest.chain import ChangedMessage, RuleChain
from thingstead.services.ingest.device_context import DeviceContext, DeviceContexts
from thingstead.services.ingest.function_calls import DeviceFunctions
from thingstead.services.ingest.preprocessing import HELD_ALL_COUNT, HELD_ALL_MAX_BYTES, Preprocessing
from thingstead.services.ingest.processed import processed
from thingstead.services.ingest.quick_reads import MAX_ATTRIBUTES_PER_REPORT, read_quickly
from thingstead.services.ingest.quotas import DailyQuota
from thingstead.services.shared.device_logs import DeviceLogService
from thingstead.services.shared.fair_room import FairRoom
from thingstead.services.shared.message_counts import MessageCounts
from thingstead.services.shared.payloads import (
    as_object,
    decode_any,
    decode_object,
    leave_out_of_range,
    out_of_range,
    read_series,
)
from thingstead.services.triggers.triggers import Triggers
from thingstead.storage.base import Commit, Store

ROOM_TIMEOUT_S = 10.0  # how long a request waits while the store is congested


class Outcome(NamedTuple):
    """The result of a message. Acknowledge it after ``commit`` (None: nothing was stored); ``refused`` lists what was
    refused."""

    commit: Commit | None
    refused: tuple[FieldError, ...]


class IngestService:
    """Validates and stores reports and events of all protocols, and publishes them on the bus after the commit."""

    def __init__(
        self,
        store: Store,
        bus: Bus,
        clock: Clock,
        evaluations: AlarmEvaluations,
        quota: DailyQuota | None = None,
        counts: MessageCounts | None = None,
        functions: FunctionPool | None = None,
        logs: DeviceLogService | None = None,
    ) -> None:
        self._store = store
        self.triggers = Triggers(store, clock)
        self.forwards = evaluations.forwards
        self.functions = None if functions is None else DeviceFunctions(store, functions)
        self.chain = None if self.functions is None else RuleChain(clock, self.functions, self.triggers)
        self.held = FairRoom(HELD_ALL_COUNT, HELD_ALL_MAX_BYTES)  # reports that wait for functions
        self._preprocessing = None
        if self.chain is not None:
            self._preprocessing = Preprocessing(clock, self.chain, self.triggers, self._keep_changed, logs, self.held)
        self.history = store.history  # provides back-pressure for senders
        self._evaluations = evaluations
        self.quota = quota
        self._bus = bus
        self._now_ms = clock.now_ms
        self.links = DeviceContexts(store, bus, evaluations, counts or MessageCounts(), self.triggers)
        self.link = self.links.link
        self._told: Commit | None = None  # the open commit whose reports will be published
        self._untold: list[Report] | None = None
        self.reports_accepted = 0
        self.attributes_refused = 0
        self.events_accepted = 0

    async def await_room(self, device: Device) -> None:
        """Waits while the history of a device is congested, or the rules of its project have had their share.

        Raises:
            Unavailable: still congested after :data:`ROOM_TIMEOUT_S`.
        """
        history, device_number = self.history, device.number
        if self.triggers.conditions.charged:
            await self._await_turn(device.project_id)
        if not (history.congested or history.crowded(device_number)):
            return
        relieved: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        history.when_room(lambda: None if relieved.done() else relieved.set_result(None), device_number)
        try:
            async with asyncio.timeout(ROOM_TIMEOUT_S):
                await relieved
        except TimeoutError:
            if history.congested:
                raise Unavailable("server_congested") from None
            raise Unavailable("device_congested") from None

    async def _await_turn(self, project_id: str) -> None:
        try:
            async with asyncio.timeout(ROOM_TIMEOUT_S):
                await self.triggers.conditions.turn(project_id)
        except TimeoutError:
            raise Unavailable("device_congested") from None

    def report_attributes(self, link: DeviceContext, payload: bytes) -> Outcome:
        """Stores a report: one flat JSON object of attribute values, timestamped now (wire reference §3.3).

        Raises:
            InvalidInput: it is not a JSON object, or has too many members.
            Unavailable: cannot be stored now.
        """
        return self.report_values(link, decode_object(payload))

    def report_values(self, link: DeviceContext, attributes: dict[str, Any], ts: int | None = None) -> Outcome:
        """Stores attribute values with the timestamp ``ts`` (ms, device time), or now. Modifies ``attributes``. Invalid
        values are removed and returned as refused."""
        if len(attributes) > MAX_ATTRIBUTES_PER_REPORT:
            raise InvalidInput("too_many_attributes", maximum=MAX_ATTRIBUTES_PER_REPORT)
        refused = processed(self.history, link, attributes, ts)
        if refused and not attributes:
            return Outcome(None, refused)
        if self._preprocessing is not None and link.triggers is not None and link.triggers.before:
            held = self._preprocessing.take(link, attributes, ts)
            if held is not None:
                return Outcome(held, refused)
        outcome = self._report_values(link, attributes, ts, self._now_ms())
        return outcome if not refused else outcome._replace(refused=(*refused, *outcome.refused))

    def _keep_changed(
        self, link: DeviceContext, attributes: dict[str, Any], ts: int | None, now: int, cause: Cause | None = None
    ) -> tuple[Commit, tuple[FieldError, ...]]:
        """Stores a report that waited since ``now``. Raises InvalidInput if no value of it is allowed."""
        if len(attributes) > MAX_ATTRIBUTES_PER_REPORT:
            raise InvalidInput("too_many_attributes", maximum=MAX_ATTRIBUTES_PER_REPORT)
        outcome = self._report_values(link, attributes, ts, now, cause)
        if outcome.commit is None:
            raise InvalidInput.of(outcome.refused)
        return outcome.commit, outcome.refused

    def report_changed(self, link: DeviceContext, made: ChangedMessage, cause: Cause) -> None:
        """Stores a report that a rule caused, to which the ``before_report`` rules were applied. Raises InvalidInput if
        nothing of it is allowed, and Unavailable."""
        now = self._now_ms()
        if made.changed:
            try:
                self._keep_changed(link, made.values, None, now, cause)
                return
            except InvalidInput as exc:
                made.refuse(exc.errors[0].reason if exc.errors else exc.reason)
        self._keep_changed(link, made.original, None, now, cause)

    def _report_values(
        self, link: DeviceContext, attributes: dict[str, Any], ts: int | None, now: int, cause: Cause | None = None
    ) -> Outcome:
        number = link.device.number
        report = Report(number, now, now, attributes, "report") if ts is None else Report(number, ts, now, attributes)
        outcome = self._keep_valid(link, report, "report", cause)
        self.attributes_refused += len(outcome.refused)
        if outcome.commit is not None:
            self.reports_accepted += 1
            link.tally.up_attributes += 1
            link.tally.points += len(attributes)
        return outcome

    def set_values(
        self, link: DeviceContext, attributes: dict[str, Any], source: Source, cause: Cause | None = None
    ) -> Outcome:
        """Stores attribute values that are not from the device, timestamped now; otherwise as :meth:`report_values`.

        Args:
            cause: of an effect of a rule.
        """
        now = self._now_ms()
        outcome = self._keep_valid(link, Report(link.device.number, now, now, attributes, source), source, cause)
        if outcome.commit is not None:
            link.tally.down_attributes += source == "push"
            link.tally.points += len(attributes)
        return outcome

    def _keep_valid(self, link: DeviceContext, report: Report, source: Source, cause: Cause | None = None) -> Outcome:
        attributes = report.attributes
        refused = link.definition.compiled.check(attributes, source)
        if refused and not attributes:
            return Outcome(None, refused)
        if self.quota is not None:
            self.quota.take_value(link.device.project_id, attributes)
        try:
            commit = self.keep(link, report, cause)
        except InvalidInput as exc:  # the store refused some values: keep the others
            named = exc.errors or tuple(out_of_range(attributes))
            if attributes.keys().isdisjoint(error.field for error in named):
                raise
            refused = (*refused, *named)
            for error in named:
                attributes.pop(error.field, None)
            if not attributes:
                raise InvalidInput.of(refused) from exc
            commit = self.keep(link, report, cause)
        return Outcome(commit, refused)

    def keep(self, link: DeviceContext, report: Report, cause: Cause | None = None) -> Commit:
        """Adds a checked report to the open commit, with the changes of alarms that it causes.

        Raises:
            InvalidInput, Unavailable: it cannot be stored, or not now.
        """
        device_alarms = link.device_alarms
        if device_alarms.stale:
            check_ready(device_alarms)
        commit = self._store.history.append(report)
        self._kept(device_alarms, commit, (report,))
        if link.triggers is not None:
            self.triggers.reports(link.device, link.triggers, commit, (report,), cause)
        if link.forwards is not None:
            self.forwards.reports(link.forwards, link.device.project_id, commit, (report,))
        return commit

    def report_run(self, link: DeviceContext, payloads: Sequence[bytes]) -> tuple[int, Commit | None]:
        """:meth:`report_attributes` for several payloads of a device, until one needs individual handling.

        Nearly all reports arrive here; whatever is possible is done once for many of them.

        Returns:
            How many payloads from the front were stored, and their commit. The others are not checked yet.

        Raises:
            Unavailable: cannot be stored now; none was.
        """
        if link.triggers is not None:
            if link.triggers.before:
                return 0, None
            if link.triggers.cost:
                payloads = payloads[: self.triggers.conditions.room(link.device.project_id, link.triggers.cost)]
        device_alarms = link.device_alarms
        if device_alarms.stale:
            check_ready(device_alarms)
        compiled, process = link.definition.compiled, None
        if compiled.processing is not None:
            process = partial(processed, self.history, link)
        scalars = None if process is not None else compiled.scalar_reports
        read = None if scalars is None else scalars.read(payloads)
        found, flat = (read, True) if read is not None else read_quickly(payloads, compiled.quick_report_check, process)
        if not found or (self.quota is not None and not self._allows(link, payloads)):
            return 0, None
        number, now = link.device.number, self._now_ms()
        reports = [Report(number, now, now, attributes, "report") for attributes in found]
        count, commit = self._store.history.append_run(reports, flat=flat)
        if commit is not None:
            kept = reports if count == len(reports) else reports[:count]
            self._kept(device_alarms, commit, kept)
            if link.triggers is not None:
                self.triggers.reports(link.device, link.triggers, commit, kept)
            if link.forwards is not None:
                self.forwards.reports(link.forwards, link.device.project_id, commit, kept)
            self.reports_accepted += count
            link.tally.up_attributes += count
            link.tally.points += sum(map(len, found if count == len(found) else found[:count]))
            if self.quota is not None:
                self.quota.take(link.device.project_id, sum(map(len, payloads[:count])))
        return count, commit

    def _allows(self, link: DeviceContext, payloads: Sequence[bytes]) -> bool:
        """Whether the quota suffices for all payloads; otherwise they are handled one by one."""
        return self.quota is None or self.quota.allows(link.device.project_id, sum(map(len, payloads)))

    def _kept(self, device_alarms: DeviceAlarms, commit: Commit, reports: Sequence[Report]) -> None:
        """Publishes and evaluates reports that were added to a commit."""
        if commit is not self._told:
            self._begin_commit(commit)
        if self._untold is not None:
            self._untold += reports
        if device_alarms.armed:
            for report in reports:
                self._evaluations.report(device_alarms, report)

    def report_series(self, link: DeviceContext, payload: bytes) -> Outcome:
        """Stores past attribute values with device timestamps (wire reference §15.1).

        Raises:
            InvalidInput: it is not JSON, has too many reports, or none that is valid.
            Unavailable: cannot be stored now; some of the reports may have been.
        """
        return self.take_series(link, decode_any(payload))

    def take_series(self, link: DeviceContext, body: Any) -> Outcome:
        """:meth:`report_series` with a decoded payload. Invalid reports and attributes are refused one by one."""
        commit: Commit | None = None
        # Oldest first: a value older than the current one only goes to the history, and raises no alarm.
        reports, refused = read_series(body, self._now_ms())
        self.attributes_refused += len(refused)
        for ts, attributes, where in reports:
            try:
                outcome = self.report_values(link, attributes, ts)
            except InvalidInput as exc:
                named = [error.under(where) for error in exc.errors]
                refused.extend(named or [FieldError(where.rstrip(".") or "attributes", exc.reason)])
                continue
            refused.extend(error.under(where) for error in outcome.refused)
            commit = outcome.commit or commit
        return Outcome(commit, tuple(refused))

    def report_event(self, link: DeviceContext, payload: bytes) -> Outcome:
        """Stores an event: ``{"method": …, "params": {…}}`` (wire reference §3.3). Parameters do not change attributes.
        A parameter that does not match the definition is removed and returned as refused.

        Raises:
            InvalidInput: the payload is not an object, ``method`` is not an identifier, ``params`` is not an object, or
                all parameters are invalid.
        """
        return self.take_event(link, decode_object(payload))

    def take_event(self, link: DeviceContext, body: dict[str, Any]) -> Outcome:
        """:meth:`report_event` with a decoded payload."""
        method = body.get("method")
        if not isinstance(method, str) or not valid_identifier(method):
            raise InvalidInput.field("method", "bad_method")
        params = as_object(body.get("params"))
        params = {} if params is None else params
        defined = link.definition.compiled.events.get(method)
        if not isinstance(params, dict):
            raise InvalidInput.field("params", "must_be_object")
        refused = check_params(defined.params if defined else (), params)
        for error in refused:
            params.pop(error.field.removeprefix("params."), None)
        refused += leave_out_of_range(params, "params.")
        if refused and not params:
            raise InvalidInput.of(refused)
        if self.quota is not None:
            self.quota.take_value(link.device.project_id, params)
        event = EventRecord(
            id=new_id() + new_id(), device_id=link.device.id, method=method, params=params, ts=self._now_ms()
        )
        commit = self._store.events.append(event, link.device.number)
        if link.triggers is not None:
            self.triggers.event(link.device, link.triggers, commit, event)
        if link.forwards is not None:
            self.forwards.event(link.forwards, link.device.project_id, commit, event)
        self.events_accepted += 1
        link.tally.up_events += 1
        if self._bus.listens(EventReported):
            news = EventReported(event.device_id, event.id, method, params, event.ts, link.device.project_id)
            commit.on_done(lambda error: None if error else self._bus.publish(news))
        return Outcome(commit, refused)

    def _begin_commit(self, commit: Commit) -> None:
        """Call with the first report of a commit, before anyone waits for it: its reports are published after the
        commit, and before they are acknowledged."""
        self._told = commit
        self._evaluations.follow(commit)
        self._untold = self._begin_telling(commit)

    def listened(self) -> None:
        """Call when a subscriber to reports was added: further reports of the open commit are published to it."""
        if self._told is not None and self._untold is None and not self._told.done:
            self._untold = self._begin_telling(self._told)

    def _begin_telling(self, commit: Commit) -> list[Report] | None:
        """The list to which the reports of ``commit`` are added for publishing; None without a subscriber."""
        if not self._bus.listens(ReportsCommitted):
            return None
        reports: list[Report] = []
        commit.on_done(lambda error: None if error else self._bus.publish(ReportsCommitted(reports)))
        return reports

    async def close(self) -> None:
        """Ends background work."""
        await self.links.close()
