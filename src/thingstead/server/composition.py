"""The composition root: builds the parts, starts them in order, stops them in reverse.

Nothing below knows how it is put together. Parts start from the store up to the ports and stop the other way round:
first the ports stop accepting, so that what comes after has less to do; requests under way end while devices are still
connected; then devices are told; then what was accepted is committed; last the folder is free again.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import AsyncExitStack, ExitStack, asynccontextmanager

import structlog

from thingstead import __version__
from thingstead.api.app import create_app
from thingstead.broker.broker import MqttBroker
from thingstead.bus.base import Bus
from thingstead.bus.local import LocalBus
from thingstead.clock import Clock, SystemClock
from thingstead.config import Config
from thingstead.console.files import packaged_files
from thingstead.console.pages import ConsolePages
from thingstead.errors import ConfigError, Conflict, Unavailable
from thingstead.metrics import HttpRequests, Metrics
from thingstead.model.health import HealthWarning
from thingstead.server.backups import back_up_before_migration
from thingstead.server.buffers import shared_buffers
from thingstead.server.folder import DataFolder
from thingstead.server.http import HttpListener
from thingstead.server.listeners import Listeners
from thingstead.server.local.listener import LocalListener
from thingstead.server.metric_sources import read_metric_sources
from thingstead.server.site import site
from thingstead.services.accounts.accounts import AccountService
from thingstead.services.accounts.browser_sessions import BrowserSessionService
from thingstead.services.accounts.log_ins import LogIns
from thingstead.services.accounts.passwords import Passwords
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
from thingstead.services.history.aggregates import AggregateService
from thingstead.services.history.clock_watch import ClockWatch
from thingstead.services.history.csv_export import CsvExport
from thingstead.services.history.history import HistoryService
from thingstead.services.history.removal import RemovalService
from thingstead.services.history.retention import RetentionService
from thingstead.services.history.table_import import HistoryImportService
from thingstead.services.ingest.ingest import IngestService
from thingstead.services.ingest.quotas import DailyQuota
from thingstead.services.ingest.streams import StreamService
from thingstead.services.jobs.jobs import JobService
from thingstead.services.mqtt.sessions import MqttSessionService
from thingstead.services.mqtt.subscriptions import SubscriptionService
from thingstead.services.notifications.dispatch import NotifyDispatcher
from thingstead.services.notifications.notify import NotifyService
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
from thingstead.services.shared.server_status import ServerStatus
from thingstead.storage.base import Store
from thingstead.storage.sqlite.store import SqliteStore

log = structlog.get_logger("thingstead.server")

NODE = "local"  # name of the only node of an installation with an embedded store
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
    ingest = IngestService(store, bus, clock, evaluations, quota, logs.counts)
    control = ControlService(store, bus, clock, ingest, logs)
    log_ins = LogIns(clock, account, config.http)
    presence = PresenceService(store, bus, clock, logs, NODE, log_ins)
    return Platform(
        projects=ProjectService(store, bus, clock, passwords),
        accounts=AccountService(store, bus, clock, passwords, log_ins),
        log_ins=log_ins,
        tokens=TokenService(store, clock, passwords, account, log_ins),
        browser_sessions=BrowserSessionService(store, bus, clock, passwords, account, log_ins),
        devices=devices,
        device_types=DeviceTypeService(store, bus, clock),
        device_groups=DeviceGroupService(store, clock),
        customers=CustomerService(store, bus, clock, passwords),
        history=HistoryService(store, bus),
        aggregates=AggregateService(store, clock),
        csv_export=CsvExport(store),
        retention=RetentionService(store, clock, config.storage),
        history_import=HistoryImportService(store, clock),
        ingest=ingest,
        clock_watch=ClockWatch(clock, evaluations.clock_set_back, dispatcher.clock_set_back, control.clock_set_back),
        control=control,
        presence=presence,
        alarms=AlarmService(store, bus, clock, engine),
        alarm_rules=rules,
        alarm_trace=AlarmTraceService(store, rules, evaluations),
        alarm_dry_run=AlarmDryRunService(store, clock, rules),
        notify=NotifyService(store, clock, config.notify, dispatcher),
        device_logs=logs,
        message_log=MessageLogService(logs),
        diagnosis=DiagnosisService(store, clock, presence, logs),
        streams=StreamService(store, bus, clock, ingest, logs),
        registration=RegistrationService(store, bus, clock, devices, config.http, log_ins),
        synchronous=SynchronousCommandService(control, clock),
        mqtt_sessions=MqttSessionService(store, clock),
        installation=Installation(listeners, config.public),
        jobs=JobService(store, bus, clock, devices, ingest, control),
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


@asynccontextmanager
async def _open_store(folder: DataFolder, clock: Clock, config: Config) -> AsyncIterator[SqliteStore]:
    if config.storage.backup_before_migration:
        await asyncio.to_thread(back_up_before_migration, folder, clock)
    store = await SqliteStore.open(folder.database, clock, config.storage)
    try:
        if not await store.projects.list_all():
            raise ConfigError(f"{folder.database} holds no project: restore it from a backup, or remove it")
        yield store
    finally:
        await _within("store", store.close)


async def initialize(config: Config, clock: Clock | None = None) -> Credentials:
    """Creates the data folder with its first project.

    Raises:
        Conflict: it is initialized already, or in use; nothing was changed.
        ConfigError: the folder cannot be used, or has other contents.
    """
    folder = DataFolder(config.data_path)
    if not folder.initialized:
        folder.create()
        with folder.lock():
            if not folder.initialized:
                return await _initialize(folder, config, clock or SystemClock())
    raise Conflict("not_done", detail=f"the data folder {folder.path} is initialized already; nothing was changed")


async def _initialize(folder: DataFolder, config: Config, clock: Clock) -> Credentials:
    """Creates the first project in a temporary database, which becomes the folder's database when it is complete and on
    disk."""
    store = await SqliteStore.open(folder.begin_database(), clock, config.storage)
    try:
        platform = build_platform(store, LocalBus(), clock, config)
        with acting(platform.audit.author("cli")):
            credentials: Credentials = await platform.projects.create()
    finally:
        await store.close()
    folder.finish_database()
    return credentials


@asynccontextmanager
async def open_platform(config: Config, clock: Clock | None = None) -> AsyncIterator[Platform]:
    """Opens the services over an initialized data folder without any port: for commands that run while the server is
    stopped.

    Raises:
        FolderInUse: a server is running on it.
        ConfigError: the folder is not initialized, or cannot be used.
    """
    folder = DataFolder(config.data_path)
    if not folder.initialized:
        raise ConfigError(f"{folder.path} is not a data folder yet; thingstead init creates one")
    async with AsyncExitStack() as stack:
        stack.enter_context(folder.lock())
        clock = clock or SystemClock()
        store = await stack.enter_async_context(_open_store(folder, clock, config))
        bus = LocalBus()
        stack.push_async_callback(bus.close)
        platform = build_platform(store, bus, clock, config)
        stack.push_async_callback(_close_services, platform)
        yield platform


class Server:
    """A running server.

    Attributes:
        platform: its services, for programs and tests that run the server in their own process.
        credentials: of the first project if this start initialized the data folder; otherwise None.
        ports: open TCP ports by the name of their setting.
    """

    def __init__(
        self, platform: Platform, credentials: Credentials | None, http: HttpListener, listeners: Listeners
    ) -> None:
        self.platform = platform
        self.credentials = credentials
        self._http = http
        self._listeners = listeners
        self.ports = listeners.numbers
        self.http_port = self.ports["http_port"]
        self.mqtt_port = self.ports["mqtt_port"]

    def reload_certificates(self) -> None:
        """Reads the TLS certificates again; new connections use them."""
        self._listeners.reload_certificates()

    async def run_until(self, stop: asyncio.Event) -> None:
        """Returns when ``stop`` is set.

        Raises:
            Unavailable: a port was closed unexpectedly.
        """
        stopping = asyncio.ensure_future(stop.wait())
        ended = asyncio.ensure_future(self._http.ended())
        try:
            await asyncio.wait((stopping, ended), return_when=asyncio.FIRST_COMPLETED)
        finally:
            stopping.cancel()
            ended.cancel()
            await asyncio.gather(stopping, ended, return_exceptions=True)
        if not stop.is_set():
            raise Unavailable("not_done", detail="the HTTP port was closed")


@asynccontextmanager
async def open_server(
    config: Config, clock: Clock | None = None, hand_over: Callable[[Credentials], None] = lambda _: None
) -> AsyncIterator[Server]:
    """Runs a server with all ports open inside the block, and stops it at the end of the block.

    A missing or empty data folder is initialized. If the start fails after that, the folder is emptied again, because
    nobody has seen the credentials.

    Args:
        hand_over: called with the credentials of a newly initialized folder; if it fails, the start fails.

    Raises:
        Conflict: a port is in use, or another server uses the folder.
        ConfigError: the configuration or the data folder cannot be used.
    """
    clock = clock or SystemClock()
    begun_s = clock.monotonic_s()
    folder = DataFolder(config.data_path)
    async with AsyncExitStack() as stack:
        listeners = Listeners(config, clock)
        stack.callback(listeners.close)
        credentials, undo = None, ExitStack()
        if not folder.initialized:
            folder.create()
        stack.enter_context(folder.lock())
        if not folder.initialized:
            credentials = await _initialize(folder, config, clock)
            undo = stack.enter_context(ExitStack())
            undo.callback(folder.discard_database)
        store = await stack.enter_async_context(_open_store(folder, clock, config))
        bus = LocalBus()
        stack.push_async_callback(bus.close)
        platform = build_platform(store, bus, clock, config, listeners.public)
        stack.push_async_callback(_close_services, platform)
        await platform.presence.recover()
        platform.control.start()
        platform.retention.start()
        removal = RemovalService(store, bus)
        stack.push_async_callback(_within, "removal", removal.close)
        removal.start()
        await platform.alarms.engine.start()
        platform.clock_watch.start(await store.history.newest_uplink())
        platform.notify.dispatcher.start()
        platform.jobs.start()
        platform.message_stat.start()
        buffers = shared_buffers(config)
        gateway = MqttBroker(platform, bus, clock, config, buffers)
        stack.push_async_callback(_within, "mqtt", gateway.stop)
        for port in listeners.of("mqtt", "mqtts"):
            await gateway.listen(port)
        for port in listeners.of("open"):
            await gateway.listen_open(port)
        for port in listeners.of("tcp", "tcps"):
            await gateway.listen_tcp(port)
        metrics = Metrics()
        read_metric_sources(metrics, store, platform, gateway, buffers, listeners.certificate_expiries)

        # Last: GET /healthz answers when everything else is running.
        def warnings() -> list[HealthWarning]:
            watched = (store, platform.clock_watch, platform.retention.trusted_clock, gateway.arrivals, listeners)
            return [warning for part in watched for warning in part.warnings()]

        platform.server_status.warnings, platform.server_status.ports = warnings, listeners.described
        requests = HttpRequests()
        app = create_app(
            platform, config.http, store.trouble, metrics, warnings=warnings, requests=requests, buffers=buffers
        )
        console = ConsolePages(packaged_files(), requests, config.http.hsts_max_age_s)
        ports = listeners.of("http", "https")
        http = HttpListener(site(app, console), ports, config.http, gateway.websocket, gateway.arrivals, buffers)
        stack.push_async_callback(_within, "http", http.stop)
        await http.start()
        local = LocalListener(folder.path, app, platform)
        stack.push_async_callback(_within, "local", local.stop)
        await local.start()
        server = Server(platform, credentials, http, listeners)
        if credentials is not None:
            hand_over(credentials)
        undo.pop_all()
        took_ms = round((clock.monotonic_s() - begun_s) * 1000)
        log.info(
            "serving",
            version=__version__,
            host=config.host,
            **server.ports,
            data_dir=str(folder.path),
            took_ms=took_ms,
        )
        yield server
        log.info("stopping")
    log.info("stopped")


async def _close_services(platform: Platform) -> None:
    await _within("sub_devices", platform.sub_devices.close)
    await _within("presence", platform.presence.stop)
    await _within("clock", platform.clock_watch.close)
    await _within("retention", platform.retention.close)
    await _within("subscriptions", platform.subscriptions.close)
    await _within("jobs", platform.jobs.close)
    await _within("control", platform.control.close)
    await _within("ingest", platform.ingest.close)
    await _within("alarms", platform.alarms.engine.close)
    await _within("notify", platform.notify.dispatcher.close)
    await _within("message statistics", platform.message_stat.close)


async def _within(part: str, stop: Callable[[], Awaitable[None]]) -> None:
    """Stops one part within the time-out. A failure is logged, and the other parts are stopped all the same."""
    try:
        async with asyncio.timeout(STOP_TIMEOUT_S):
            await stop()
    except TimeoutError:
        log.error("a component did not stop in time", part=part, timeout_s=STOP_TIMEOUT_S)
    except Exception:
        log.exception("a component failed while stopping", part=part)
