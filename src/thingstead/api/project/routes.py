"""Every endpoint of the Project API, in the order in which they are documented."""

from thingstead.api.endpoint import Endpoint
from thingstead.api.project import (
    administrators,
    alarm_rules,
    alarms,
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
    notify_groups,
    projects,
    retention,
)

ENDPOINTS: tuple[Endpoint, ...] = (
    *login.ENDPOINTS,
    *projects.ENDPOINTS,
    *devices.ENDPOINTS,
    *imports.ENDPOINTS,
    *data.ENDPOINTS,
    *device_logs.ENDPOINTS,
    *history.ENDPOINTS,
    *retention.ENDPOINTS,
    *control.ENDPOINTS,
    *custom_data.ENDPOINTS,
    *alarms.ENDPOINTS,
    *alarm_rules.ENDPOINTS,
    *notify_groups.ENDPOINTS,
    *device_types.ENDPOINTS,
    *device_groups.ENDPOINTS,
    *customers.ENDPOINTS,
    *administrators.ENDPOINTS,
    *applications.ENDPOINTS,
)
