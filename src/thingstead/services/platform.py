"""The services that api and broker use, one attribute each."""

from dataclasses import dataclass

from thingstead.services.accounts.accounts import AccountService
from thingstead.services.accounts.browser_sessions import BrowserSessionService
from thingstead.services.accounts.log_ins import LogIns
from thingstead.services.accounts.scoped_tokens import ScopedTokenService
from thingstead.services.accounts.tokens import TokenService
from thingstead.services.alarms.alarms import AlarmService
from thingstead.services.alarms.dry_run import AlarmDryRunService
from thingstead.services.alarms.rules import AlarmRuleService
from thingstead.services.alarms.trace import AlarmTraceService
from thingstead.services.audit.audit import AuditService
from thingstead.services.commands.control import ControlService
from thingstead.services.commands.synchronous import SynchronousCommandService
from thingstead.services.console.desk import DeskService
from thingstead.services.console.message_stat import MessageStatService
from thingstead.services.diagnosis.diagnosis import DiagnosisService
from thingstead.services.diagnosis.message_log import MessageLogService
from thingstead.services.forwarding.service import ForwardingService
from thingstead.services.functions.pool import FunctionPool
from thingstead.services.history.aggregates import AggregateService
from thingstead.services.history.clock_watch import ClockWatch
from thingstead.services.history.csv_export import CsvExport
from thingstead.services.history.history import HistoryService
from thingstead.services.history.retention import RetentionService
from thingstead.services.history.table_import import HistoryImportService
from thingstead.services.ingest.ingest import IngestService
from thingstead.services.ingest.streams import StreamService
from thingstead.services.jobs.jobs import JobService
from thingstead.services.message_rules.rules import MessageRuleService
from thingstead.services.message_rules.test_run import MessageRuleTestService
from thingstead.services.modbus.insight import ModbusInsight
from thingstead.services.modbus.polling import ModbusPolls
from thingstead.services.mqtt.sessions import MqttSessionService
from thingstead.services.mqtt.subscriptions import SubscriptionService
from thingstead.services.notifications.notify import NotifyService
from thingstead.services.ota.ota import OtaService
from thingstead.services.presence.presence import PresenceService
from thingstead.services.presence.sub_devices import SubDeviceService
from thingstead.services.registry.customers import CustomerService
from thingstead.services.registry.device_groups import DeviceGroupService
from thingstead.services.registry.device_types import DeviceTypeService
from thingstead.services.registry.devices import DeviceService
from thingstead.services.registry.projects import ProjectService
from thingstead.services.registry.registration import RegistrationService
from thingstead.services.shared.device_logs import DeviceLogService
from thingstead.services.shared.installation import Installation
from thingstead.services.shared.server_status import ServerStatus
from thingstead.services.tasks.tasks import TaskService


@dataclass(frozen=True, slots=True, kw_only=True)
class Platform:
    """The services of one server; built by the composition root."""

    projects: ProjectService
    accounts: AccountService
    log_ins: LogIns
    tokens: TokenService
    scoped_tokens: ScopedTokenService
    browser_sessions: BrowserSessionService
    devices: DeviceService
    device_types: DeviceTypeService
    device_groups: DeviceGroupService
    customers: CustomerService
    history: HistoryService
    aggregates: AggregateService
    csv_export: CsvExport
    retention: RetentionService
    history_import: HistoryImportService
    ingest: IngestService
    functions: FunctionPool
    clock_watch: ClockWatch
    control: ControlService
    presence: PresenceService
    alarms: AlarmService
    alarm_rules: AlarmRuleService
    alarm_trace: AlarmTraceService
    alarm_dry_run: AlarmDryRunService
    message_rules: MessageRuleService
    message_rule_test: MessageRuleTestService
    forwarding: ForwardingService
    tasks: TaskService
    modbus: ModbusInsight
    modbus_polls: ModbusPolls
    ota: OtaService
    notify: NotifyService
    device_logs: DeviceLogService
    message_log: MessageLogService
    diagnosis: DiagnosisService
    streams: StreamService
    registration: RegistrationService
    sub_devices: SubDeviceService
    subscriptions: SubscriptionService
    synchronous: SynchronousCommandService
    mqtt_sessions: MqttSessionService
    installation: Installation
    jobs: JobService
    desk: DeskService
    audit: AuditService
    message_stat: MessageStatService
    server_status: ServerStatus
