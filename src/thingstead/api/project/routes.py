"""Every endpoint of the Project API, in the order in which they are documented."""

from thingstead.api.endpoint import Endpoint
from thingstead.api.project import (
    administrators,
    applications,
    control,
    custom_data,
    customers,
    data,
    device_groups,
    device_logs,
    device_types,
    devices,
    history,
    imports,
    login,
    projects,
    retention,
    sessions,
)
from thingstead.api.project.alarms import (
    alarm_logs,
    alarm_rule_insight,
    alarm_rules,
    alarms,
    many_alarms,
    notify_groups,
)
from thingstead.api.project.console import audit, bulk_changes, desk, jobs, message_stat, server
from thingstead.api.project.diagnosis import diagnosis, message_logs

ENDPOINTS: tuple[Endpoint, ...] = (
    *login.ENDPOINTS,
    *sessions.ENDPOINTS,
    *projects.ENDPOINTS,
    *devices.ENDPOINTS,
    *imports.ENDPOINTS,
    *bulk_changes.ENDPOINTS,
    *jobs.ENDPOINTS,
    *data.ENDPOINTS,
    *device_logs.ENDPOINTS,
    *message_logs.ENDPOINTS,
    *diagnosis.ENDPOINTS,
    *history.ENDPOINTS,
    *retention.ENDPOINTS,
    *control.ENDPOINTS,
    *custom_data.ENDPOINTS,
    *alarm_logs.ENDPOINTS,
    *alarms.ENDPOINTS,
    *many_alarms.ENDPOINTS,
    *alarm_rules.ENDPOINTS,
    *alarm_rule_insight.ENDPOINTS,
    *notify_groups.ENDPOINTS,
    *device_types.ENDPOINTS,
    *device_groups.ENDPOINTS,
    *customers.ENDPOINTS,
    *administrators.ENDPOINTS,
    *applications.ENDPOINTS,
    *desk.ENDPOINTS,
    *audit.ENDPOINTS,
    *message_stat.ENDPOINTS,
    *server.ENDPOINTS,
)
