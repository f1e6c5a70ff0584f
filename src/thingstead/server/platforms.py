"""Builds the services over a store and a bus, and closes them again."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence

import structlog

from thingstead.bus.base import Bus
from thingstead.bus.local import LocalBus
from thingstead.clock import Clock
from thingstead.config import Config
from thingstead.errors import Unavailable
from thingstead.services.accounts.accounts import AccountService
from thingstead.services.accounts.browser_sessions import BrowserSessionService
from thingstead.services.accounts.log_ins import LogIns
from thingstead.services.accounts.passwords import Passwords
from thingstead.services.accounts.scoped_tokens import ScopedTokenService
from thingstead.services.accounts.tokens import TokenService
from thingstead.services.alarms.alarms import AlarmService
from thingstead.services.alarms.dry_run import AlarmDryRunService
from thingstead.services.alarms.evaluations import AlarmEvaluations
from thingstead.services.alarms.rules import AlarmRuleService
from thingstead.services.alarms.scheduler import AlarmScheduler
from thingstead.services.alarms.trace import AlarmTraceService
from thingstead.services.audit.audit import AuditService, acting
from thingstead.services.commands.control import ControlService
from thingstead.services.commands.synchronous import SynchronousCommandService
from thingstead.services.console.desk import DeskService
from thingstead.services.console.message_stat import MessageStatService
from thingstead.services.diagnosis.diagnosis import DiagnosisService
from thingstead.services.diagnosis.message_log import MessageLogService
from thingstead.services.forwarding.forwarder import Forwarder
from thingstead.services.forwarding.service import ForwardingService
from thingstead.services.functions.pool import FunctionPool
from thingstead.services.history.aggregates import AggregateService
from thingstead.services.history.clock_watch import ClockWatch
from thingstead.services.history.csv_export import CsvExport
from thingstead.services.history.history import HistoryService
from thingstead.services.history.retention import RetentionService
from thingstead.services.history.table_import import HistoryImportService
from thingstead.services.ingest.ingest import IngestService
from thingstead.services.ingest.quotas import DailyQuota
from thingstead.services.ingest.streams import StreamService
from thingstead.services.jobs.jobs import JobService
from thingstead.services.message_rules.effects import Effects
from thingstead.services.message_rules.outcomes import RuleOutcomes
from thingstead.services.message_rules.outside.outbox import Outbox
from thingstead.services.message_rules.outside.sender import OutsideSender
from thingstead.services.message_rules.rules import MessageRuleService
from thingstead.services.message_rules.runner import RuleRunner
from thingstead.services.message_rules.test_run import MessageRuleTestService
from thingstead.services.modbus.insight import ModbusInsight
from thingstead.services.modbus.polling import ModbusPolls
from thingstead.services.modbus.streams import ModbusStreams
from thingstead.services.mqtt.sessions import MqttSessionService
from thingstead.services.mqtt.subscriptions import SubscriptionService
from thingstead.services.notifications.dispatch import NotifyDispatcher
from thingstead.services.notifications.notify import NotifyService
from thingstead.services.ota.ota import OtaService
from thingstead.services.platform import Platform
from thingstead.services.presence.presence import PresenceService
from thingstead.services.presence.sub_devices import SubDeviceService
from thingstead.services.registry.customers import CustomerService
from thingstead.services.registry.device_groups import DeviceGroupService
from thingstead.services.registry.device_types import DeviceTypeService
from thingstead.services.registry.devices import DeviceService
from thingstead.services.registry.projects import Credentials, ProjectService
from thingstead.services.registry.registration import RegistrationService
from thingstead.services.shared.device_logs import DeviceLogService
from thingstead.services.shared.installation import Installation, OpenListener
from thingstead.services.shared.message_trace import MessageTrace
from thingstead.services.shared.pace import Pace
from thingstead.services.shared.part_turns import PartTurns
from thingstead.services.shared.server_status import ServerStatus
from thingstead.services.tasks.actions import TaskActions
from thingstead.services.tasks.runner import TaskRunner
from thingstead.services.tasks.scheduler import TaskScheduler
from thingstead.services.tasks.tasks import TaskService
from thingstead.storage.base import Store

log = structlog.get_logger("thingstead.server")

NODE = "local"  # of the sessions in the store: one node at a time is active
STOP_TIMEOUT_S = 10  # for each part; the next one is stopped after that in any case


def build_platform(
    store: Store, bus: Bus, clock: Clock, config: Config, listeners: Sequence[OpenListener] = ()
) -> Platform:
    """Builds the services over a store and a bus."""
    account = config.account
    passwords = Passwords(memory_kib=account.password_hash_memory_kib, passes=account.password_hash_passes)
    devices = DeviceService(store, bus, clock, active_within_ms=config.active_window_s * 1000)
    evaluations = AlarmEvaluations(store, bus, clock)
    dispatcher = NotifyDispatcher(store, bus, clock, config.notify)
    engine = AlarmScheduler(store, bus, clock, evaluations)
    rules = AlarmRuleService(store, bus, clock, evaluations)
    daily = config.storage.project_daily_max_bytes
    logs = DeviceLogService(store, clock, MessageTrace(bus, clock))
    quota = DailyQuota(clock, daily) if daily else None
    functions = FunctionPool(config.functions)
    ingest = IngestService(store, bus, clock, evaluations, quota, logs.counts, functions, logs)
    control = ControlService(store, bus, clock, ingest, logs)
    modbus = ModbusStreams(clock)
    insight = ModbusInsight(store, modbus)
    streams = StreamService(store, bus, clock, ingest, logs, modbus)
    ota = OtaService(store, bus, clock, config, devices, control, ingest.triggers.index, listeners)
    outbox = Outbox(store, clock, ingest.triggers, OutsideSender(store, clock, config.notify))
    effects = Effects(store, ingest, control, streams, ota.offers, outbox)
    runner = RuleRunner(store, clock, ingest.triggers, effects)
    turns = PartTurns(clock)
    actions = TaskActions(store, clock, ingest, effects)
    task_runner = TaskRunner(store, bus, clock, actions, Pace(clock, config.tasks.devices_per_second), turns)
    scheduler = TaskScheduler(store, clock, devices, task_runner, config.tasks)
    ingest.triggers.off = config.rules == "off"
    outcomes = RuleOutcomes(store, clock, ingest.triggers, functions)
    message_rules = MessageRuleService(store, bus, clock, runner, outcomes, functions, outbox)
    log_ins = LogIns(clock, account, config.http)
    presence = PresenceService(store, bus, clock, logs, NODE, log_ins, evaluations.forwards)
    retention = RetentionService(store, clock, config.storage)
    forwarder = Forwarder(
        store, clock, evaluations.forwards, config.forwarding, config.notify, retention.trusted_clock.now_ms
    )
    tokens = TokenService(store, clock, passwords, account, log_ins)
    return Platform(
        projects=ProjectService(store, bus, clock, passwords),
        accounts=AccountService(store, bus, clock, passwords, log_ins),
        log_ins=log_ins,
        tokens=tokens,
        scoped_tokens=ScopedTokenService(store, clock, tokens),
        browser_sessions=BrowserSessionService(store, bus, clock, passwords, account, log_ins),
        devices=devices,
        device_types=DeviceTypeService(store, bus, clock),
        device_groups=DeviceGroupService(store, clock),
        customers=CustomerService(store, bus, clock, passwords),
        history=HistoryService(store, bus),
        aggregates=AggregateService(store, clock),
        csv_export=CsvExport(store),
        retention=retention,
        history_import=HistoryImportService(store, clock),
        ingest=ingest,
        functions=functions,
        clock_watch=ClockWatch(
            clock,
            evaluations.clock_set_back,
            dispatcher.clock_set_back,
            control.clock_set_back,
            runner.clock_set_back,
            scheduler.clock_set_back,
        ),
        control=control,
        presence=presence,
        alarms=AlarmService(store, bus, clock, engine),
        alarm_rules=rules,
        alarm_trace=AlarmTraceService(store, rules, evaluations),
        alarm_dry_run=AlarmDryRunService(store, clock, rules),
        message_rules=message_rules,
        message_rule_test=MessageRuleTestService(store, clock, message_rules, functions),
        forwarding=ForwardingService(store, clock, forwarder),
        tasks=TaskService(store, clock, scheduler, functions),
        modbus=insight,
        modbus_polls=ModbusPolls(store, bus, clock, logs, modbus, config.modbus),
        ota=ota,
        notify=NotifyService(store, clock, config.notify, dispatcher),
        device_logs=logs,
        message_log=MessageLogService(logs),
        diagnosis=DiagnosisService(store, clock, presence, logs, insight),
        streams=streams,
        registration=RegistrationService(store, bus, clock, devices, config.http, log_ins),
        synchronous=SynchronousCommandService(control, clock),
        mqtt_sessions=MqttSessionService(store, clock),
        installation=Installation(listeners, config.public),
        jobs=JobService(store, bus, clock, devices, ingest, control, turns),
        desk=DeskService(store, clock),
        audit=AuditService(store, bus, clock),
        message_stat=MessageStatService(store, bus, clock, logs.counts),
        server_status=ServerStatus(store, clock, config.data_path, config.storage.low_disk_bytes),
        subscriptions=SubscriptionService(store, bus, clock, log_ins),
        sub_devices=SubDeviceService(
            store,
            bus,
            clock,
            ingest,
            control,
            presence,
            devices,
            logs,
            timeout_s=config.sub_device_timeout_s,
            api=config.http,
        ),
    )


async def within(part: str, stop: Callable[[], Awaitable[None]]) -> None:
    """Stops one part within the time-out. A failure is logged, and the other parts are stopped all the same."""
    try:
        async with asyncio.timeout(STOP_TIMEOUT_S):
            await stop()
    except TimeoutError:
        log.error("a component did not stop in time", part=part, timeout_s=STOP_TIMEOUT_S)
    except Unavailable as exc:
        log.warning("a component could not store its last changes", part=part, error=exc.message)
    except Exception:
        log.exception("a component failed while stopping", part=part)


async def create_first_project(store: Store, config: Config, clock: Clock) -> Credentials:
    """Creates the first project in an empty store."""
    platform = build_platform(store, LocalBus(), clock, config)
    with acting(platform.audit.author("cli")):
        credentials: Credentials = await platform.projects.create()
    return credentials


async def close_services(platform: Platform) -> None:
    """Ends the background work of the services, those first that use others."""
    await within("sub_devices", platform.sub_devices.close)
    await within("presence", platform.presence.stop)
    await within("clock", platform.clock_watch.close)
    await within("retention", platform.retention.close)
    await within("subscriptions", platform.subscriptions.close)
    await within("jobs", platform.jobs.close)
    await within("tasks", platform.tasks.scheduler.close)
    await within("message rules", platform.message_rules.close)
    await within("modbus", platform.modbus_polls.close)
    await within("ota", platform.ota.close)
    await within("control", platform.control.close)
    await within("ingest", platform.ingest.close)
    await within("functions", platform.functions.close)
    await within("alarms", platform.alarms.engine.close)
    await within("forwarding", platform.forwarding.forwarder.close)
    await within("notify", platform.notify.dispatcher.close)
    await within("message statistics", platform.message_stat.close)
