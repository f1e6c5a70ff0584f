"""What the edges (HTTP and MQTT) get to work with: one member a service."""

from dataclasses import dataclass

from thingstead.services.accounts import AccountService
from thingstead.services.aggregates import AggregateService
from thingstead.services.alarm_dry_run import AlarmDryRunService
from thingstead.services.alarm_rules import AlarmRuleService
from thingstead.services.alarm_trace import AlarmTraceService
from thingstead.services.alarms import AlarmService
from thingstead.services.clock_watch import ClockWatch
from thingstead.services.control import ControlService
from thingstead.services.customers import CustomerService
from thingstead.services.device_groups import DeviceGroupService
from thingstead.services.device_logs import DeviceLogService
from thingstead.services.device_types import DeviceTypeService
from thingstead.services.devices import DeviceService
from thingstead.services.history import HistoryService
from thingstead.services.history_import import HistoryImportService
from thingstead.services.ingest import IngestService
from thingstead.services.log_ins import LogIns
from thingstead.services.mqtt_sessions import MqttSessionService
from thingstead.services.notify import NotifyService
from thingstead.services.presence import PresenceService
from thingstead.services.projects import ProjectService
from thingstead.services.registration import RegistrationService
from thingstead.services.retention import RetentionService
from thingstead.services.streams import StreamService
from thingstead.services.sub_devices import SubDeviceService
from thingstead.services.subscriptions import SubscriptionService
from thingstead.services.synchronous import SynchronousCommandService
from thingstead.services.tokens import TokenService


@dataclass(frozen=True, slots=True, kw_only=True)
class Platform:
    """The services of one server. The composition root makes it."""

    projects: ProjectService
    accounts: AccountService
    log_ins: LogIns
    tokens: TokenService
    devices: DeviceService
    device_types: DeviceTypeService
    device_groups: DeviceGroupService
    customers: CustomerService
    history: HistoryService
    aggregates: AggregateService
    retention: RetentionService
    history_import: HistoryImportService
    ingest: IngestService
    clock_watch: ClockWatch
    control: ControlService
    presence: PresenceService
    alarms: AlarmService
    alarm_rules: AlarmRuleService
    alarm_trace: AlarmTraceService
    alarm_dry_run: AlarmDryRunService
    notify: NotifyService
    device_logs: DeviceLogService
    streams: StreamService
    registration: RegistrationService
    sub_devices: SubDeviceService
    subscriptions: SubscriptionService
    synchronous: SynchronousCommandService
    mqtt_sessions: MqttSessionService
