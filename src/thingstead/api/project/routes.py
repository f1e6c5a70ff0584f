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
    message_rules,
    modbus,
    projects,
    retention,
    scoped_tokens,
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
from thingstead.api.project.automation import forwarding, tasks
from thingstead.api.project.console import audit, bulk_changes, desk, jobs, message_stat, people, server
from thingstead.api.project.diagnosis import diagnosis, message_logs
from thingstead.api.project.ota import rollouts as ota_rollouts
from thingstead.api.project.ota import versions as ota_versions

ENDPOINTS: tuple[Endpoint, ...] = (
    *login.ENDPOINTS,
    *scoped_tokens.ENDPOINTS,
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
    *message_rules.ENDPOINTS,
    *forwarding.ENDPOINTS,
    *tasks.ENDPOINTS,
    *ota_versions.ENDPOINTS,
    *ota_rollouts.ENDPOINTS,
    *device_types.ENDPOINTS,
    *modbus.ENDPOINTS,
    *device_groups.ENDPOINTS,
    *customers.ENDPOINTS,
    *administrators.ENDPOINTS,
    *applications.ENDPOINTS,
    *desk.ENDPOINTS,
    *audit.ENDPOINTS,
    *message_stat.ENDPOINTS,
    *server.ENDPOINTS,
    *people.ENDPOINTS,
)
