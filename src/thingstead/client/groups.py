"""Calls of the Project API as methods of a client: ``api.devices.read(id)`` for ``api.run(devices.read(id))``."""

from typing import Generic

from thingstead.client import walks
from thingstead.client.call_group import All as _All
from thingstead.client.call_group import CallGroup, Runner
from thingstead.client.call_group import One as _One
from thingstead.client.project import (
    administrators,
    alarm_rules,
    alarms,
    applications,
    control,
    customers,
    data,
    desk,
    device_groups,
    device_types,
    devices,
    forwarding,
    info,
    logs,
    many,
    message_rules,
    modbus,
    notify_groups,
    ota,
    scoped_tokens,
    tasks,
)


class AdministratorsCalls(CallGroup[Runner]):
    """Administrators."""

    whoami = _One(administrators.whoami)
    list_all = _One(administrators.list_all)
    create = _One(administrators.create)
    read = _One(administrators.read)
    delete = _One(administrators.delete)
    update_info = _One(administrators.update_info)
    set_password = _One(administrators.set_password)
    change_own_password = _One(administrators.change_own_password)
    set_role = _One(administrators.set_role)


class AlarmRulesCalls(CallGroup[Runner]):
    """Alarm rules."""

    create = _One(alarm_rules.create)
    list_rules = _All(alarm_rules.list_rules)
    read = _One(alarm_rules.read)
    update = _One(alarm_rules.update)
    delete = _One(alarm_rules.delete)
    enable_for_device = _One(alarm_rules.enable_for_device)
    statistics = _One(alarm_rules.statistics)
    trace = _One(alarm_rules.trace)
    try_on_history = _One(alarm_rules.try_on_history)


class AlarmsCalls(CallGroup[Runner]):
    """Alarms."""

    of_project = _All(alarms.of_project)
    of_device = _All(alarms.of_device)
    list_alarms = _All(alarms.list_alarms)
    stat = _One(alarms.stat)
    read = _One(alarms.read)
    acknowledge = _One(alarms.acknowledge)
    clear = _One(alarms.clear)
    add_comment = _One(alarms.add_comment)
    shelve = _One(alarms.shelve)
    unshelve = _One(alarms.unshelve)
    acknowledge_many = _One(alarms.acknowledge_many)
    clear_many = _One(alarms.clear_many)
    shelve_many = _One(alarms.shelve_many)
    unshelve_many = _One(alarms.unshelve_many)


class ApplicationsCalls(CallGroup[Runner]):
    """Applications and their keys."""

    list_all = _One(applications.list_all)
    create = _One(applications.create)
    read = _One(applications.read)
    delete = _One(applications.delete)
    rename = _One(applications.rename)
    set_role = _One(applications.set_role)
    reset_secret = _One(applications.reset_secret)


class ControlCalls(CallGroup[Runner]):
    """What goes down to devices."""

    push_attributes = _One(control.push_attributes)
    update_cloud_attributes = _One(control.update_cloud_attributes)
    send_command = _One(control.send_command)
    call_command = _One(control.call_command)
    get_command = _One(control.get_command)
    send_data = _One(control.send_data)


class CustomersCalls(CallGroup[Runner]):
    """Customers."""

    list_all = _All(customers.list_all)
    list_devices = _All(customers.list_devices)
    create = _One(customers.create)
    read = _One(customers.read)
    delete = _One(customers.delete)
    update_info = _One(customers.update_info)
    set_password = _One(customers.set_password)
    put_tags = _One(customers.put_tags)
    remove_tags = _One(customers.remove_tags)
    bind_devices = _One(customers.bind_devices)
    unbind_devices = _One(customers.unbind_devices)


class DataCalls(CallGroup[Runner]):
    """Current values, series, aggregates, retention."""

    attributes = _One(data.attributes)
    series = _One(data.series)
    aggregate = _One(data.aggregate)
    history = _One(data.history)
    remove_attributes = _One(data.remove_attributes)
    retention = _One(data.retention)
    put_retention = _One(data.put_retention)
    preview_retention = _One(data.preview_retention)
    take_back_retention = _One(data.take_back_retention)
    device_retention = _One(data.device_retention)
    points = _All(walks.points)


class DeskCalls(CallGroup[Runner]):
    """Search, saved views, preferences."""

    search = _One(desk.search)
    list_views = _One(desk.list_views)
    create_view = _One(desk.create_view)
    update_view = _One(desk.update_view)
    delete_view = _One(desk.delete_view)
    preferences = _One(desk.preferences)
    keep_preferences = _One(desk.keep_preferences)


class DeviceGroupsCalls(CallGroup[Runner]):
    """Device groups."""

    tree = _One(device_groups.tree)
    create = _One(device_groups.create)
    read = _One(device_groups.read)
    delete = _One(device_groups.delete)
    update_info = _One(device_groups.update_info)
    put_tags = _One(device_groups.put_tags)
    remove_tags = _One(device_groups.remove_tags)
    add_devices = _One(device_groups.add_devices)
    remove_devices = _One(device_groups.remove_devices)


class DeviceTypesCalls(CallGroup[Runner]):
    """Device types."""

    list_all = _One(device_types.list_all)
    create = _One(device_types.create)
    read = _One(device_types.read)
    delete = _One(device_types.delete)
    update_info = _One(device_types.update_info)
    put_functions = _One(device_types.put_functions)
    try_processing = _One(device_types.try_processing)
    put_tags = _One(device_types.put_tags)
    remove_tags = _One(device_types.remove_tags)


class DevicesCalls(CallGroup[Runner]):
    """The registry."""

    search = _All(devices.search)
    create = _One(devices.create)
    import_many = _One(devices.import_many)
    read = _One(devices.read)
    delete = _One(devices.delete)
    certificate = _One(devices.certificate)
    reset_certificate = _One(devices.reset_certificate)
    update_info = _One(devices.update_info)
    put_tags = _One(devices.put_tags)
    remove_tags = _One(devices.remove_tags)
    change_type = _One(devices.change_type)
    change_gateway = _One(devices.change_gateway)


class InfoCalls(CallGroup[Runner]):
    """The project itself."""

    read = _One(info.read)
    set_timezone = _One(info.set_timezone)
    update_info = _One(info.update_info)
    put_tags = _One(info.put_tags)
    remove_tags = _One(info.remove_tags)
    devices_stat = _One(info.devices_stat)
    devices_alarm_stat = _One(info.devices_alarm_stat)
    connection_info = _One(info.connection_info)
    rotate_project_key = _One(info.rotate_project_key)
    reset_view_secret = _One(info.reset_view_secret)
    audit_logs = _One(info.audit_logs)
    message_stat = _One(info.message_stat)
    server = _One(info.server)
    all_audit_logs = _All(walks.audit_logs)


class LogsCalls(CallGroup[Runner]):
    """What happened to devices."""

    events = _All(logs.events)
    commands = _All(logs.commands)
    connections = _All(logs.connections)
    rejected = _All(logs.rejected)
    data = _All(logs.data)
    messages = _One(logs.messages)
    diagnosis = _One(logs.diagnosis)
    all_messages = _All(walks.messages)


class ManyCalls(CallGroup[Runner]):
    """Changes of many devices."""

    put_tags = _One(many.put_tags)
    remove_tags = _One(many.remove_tags)
    change_type = _One(many.change_type)
    join_groups = _One(many.join_groups)
    leave_groups = _One(many.leave_groups)
    bind_customer = _One(many.bind_customer)
    remove = _One(many.remove)
    send_commands = _One(many.send_commands)
    push_attributes = _One(many.push_attributes)
    list_jobs = _One(many.list_jobs)
    get_job = _One(many.get_job)
    cancel_job = _One(many.cancel_job)


class ForwardingCalls(CallGroup[Runner]):
    """Forwarding targets."""

    create = _One(forwarding.create)
    list_targets = _All(forwarding.list_targets)
    read = _One(forwarding.read)
    update = _One(forwarding.update)
    delete = _One(forwarding.delete)
    statistics = _One(forwarding.statistics)
    retry = _One(forwarding.retry)
    list_dead_letters = _All(forwarding.list_dead_letters)
    replay = _One(forwarding.replay)
    delete_dead_letters = _One(forwarding.delete_dead_letters)
    send_test = _One(forwarding.send_test)


class MessageRulesCalls(CallGroup[Runner]):
    """Message rules."""

    create = _One(message_rules.create)
    list_rules = _All(message_rules.list_rules)
    read = _One(message_rules.read)
    update = _One(message_rules.update)
    delete = _One(message_rules.delete)
    enable_for_device = _One(message_rules.enable_for_device)
    statistics = _One(message_rules.statistics)
    trace = _One(message_rules.trace)
    try_on_messages = _One(message_rules.try_on_messages)


class TasksCalls(CallGroup[Runner]):
    """Tasks."""

    create = _One(tasks.create)
    list_tasks = _All(tasks.list_tasks)
    read = _One(tasks.read)
    update = _One(tasks.update)
    delete = _One(tasks.delete)
    run = _One(tasks.run)
    list_runs = _All(tasks.list_runs)
    read_run = _One(tasks.read_run)
    cancel_run = _One(tasks.cancel_run)
    list_results = _All(tasks.list_results)
    preview = _One(tasks.preview)


class ModbusCalls(CallGroup[Runner]):
    """Modbus registers of device types."""

    read = _One(modbus.read)
    put = _One(modbus.put)
    of_device = _One(modbus.of_device)
    try_table = _One(modbus.try_table)


class NotifyGroupsCalls(CallGroup[Runner]):
    """Notification groups."""

    create = _One(notify_groups.create)
    list_groups = _All(notify_groups.list_groups)
    read = _One(notify_groups.read)
    replace = _One(notify_groups.replace)
    delete = _One(notify_groups.delete)
    send_test = _One(notify_groups.send_test)
    logs = _All(notify_groups.logs)


class OtaCalls(CallGroup[Runner]):
    """Upgrades of firmware."""

    create_version = _One(ota.create_version)
    list_versions = _All(ota.list_versions)
    read_version = _One(ota.read_version)
    update_version = _One(ota.update_version)
    delete_version = _One(ota.delete_version)
    upload = _One(ota.upload)
    roll_out = _One(ota.roll_out)
    list_rollouts = _All(ota.list_rollouts)
    read_rollout = _One(ota.read_rollout)
    start_rollout = _One(ota.start_rollout)
    pause_rollout = _One(ota.pause_rollout)
    resume_rollout = _One(ota.resume_rollout)
    end_rollout = _One(ota.end_rollout)
    delete_rollout = _One(ota.delete_rollout)
    rollout_devices = _All(ota.rollout_devices)
    device_upgrades = _All(ota.device_upgrades)


class ScopedTokensCalls(CallGroup[Runner]):
    """Scoped tokens."""

    create = _One(scoped_tokens.create)


class CallGroups(Generic[Runner]):
    """Every module of calls, bound to a client."""

    def __init__(self, runner: Runner) -> None:
        self.administrators: AdministratorsCalls[Runner] = AdministratorsCalls(runner)
        self.alarm_rules: AlarmRulesCalls[Runner] = AlarmRulesCalls(runner)
        self.alarms: AlarmsCalls[Runner] = AlarmsCalls(runner)
        self.applications: ApplicationsCalls[Runner] = ApplicationsCalls(runner)
        self.control: ControlCalls[Runner] = ControlCalls(runner)
        self.customers: CustomersCalls[Runner] = CustomersCalls(runner)
        self.data: DataCalls[Runner] = DataCalls(runner)
        self.desk: DeskCalls[Runner] = DeskCalls(runner)
        self.device_groups: DeviceGroupsCalls[Runner] = DeviceGroupsCalls(runner)
        self.device_types: DeviceTypesCalls[Runner] = DeviceTypesCalls(runner)
        self.devices: DevicesCalls[Runner] = DevicesCalls(runner)
        self.info: InfoCalls[Runner] = InfoCalls(runner)
        self.forwarding: ForwardingCalls[Runner] = ForwardingCalls(runner)
        self.logs: LogsCalls[Runner] = LogsCalls(runner)
        self.many: ManyCalls[Runner] = ManyCalls(runner)
        self.message_rules: MessageRulesCalls[Runner] = MessageRulesCalls(runner)
        self.modbus: ModbusCalls[Runner] = ModbusCalls(runner)
        self.notify_groups: NotifyGroupsCalls[Runner] = NotifyGroupsCalls(runner)
        self.ota: OtaCalls[Runner] = OtaCalls(runner)
        self.scoped_tokens: ScopedTokensCalls[Runner] = ScopedTokensCalls(runner)
        self.tasks: TasksCalls[Runner] = TasksCalls(runner)
