"""The client library: callers of the Project API, and devices over HTTP and MQTT (docs/client.md)."""

from thingstead.client import frames
from thingstead.client.call import Call, Listing
from thingstead.client.mqtt_device import MqttDevice, ReceivedCommand
from thingstead.client.mqtt_gateway import MqttGateway, SubDevice
from thingstead.client.mqtt_session import Broker
from thingstead.client.planes import (
    AppDevice,
    AsyncAppDevice,
    AsyncHttpDevice,
    Certificate,
    HttpDevice,
    PastReport,
)
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
    info,
    logs,
    many,
    notify_groups,
    scoped_tokens,
)
from thingstead.client.projects import AdministratorLogin, ApplicationKeys, AsyncProjectClient, ProjectClient
from thingstead.client.retries import Retries
from thingstead.client.subscriber import Notice, Subscriber, ViewKeys
from thingstead.client.walks import Walk
from thingstead.errors import (
    Conflict,
    DeviceOffline,
    Forbidden,
    InvalidInput,
    NotAuthenticated,
    NotFound,
    ReplyTimeout,
    ThingsteadError,
    TooLarge,
    TooManyRequests,
    Unavailable,
)

__all__ = [
    "AdministratorLogin",
    "AppDevice",
    "ApplicationKeys",
    "AsyncAppDevice",
    "AsyncHttpDevice",
    "AsyncProjectClient",
    "Broker",
    "Call",
    "Certificate",
    "Conflict",
    "DeviceOffline",
    "Forbidden",
    "HttpDevice",
    "InvalidInput",
    "Listing",
    "MqttDevice",
    "MqttGateway",
    "NotAuthenticated",
    "NotFound",
    "Notice",
    "PastReport",
    "ProjectClient",
    "ReceivedCommand",
    "ReplyTimeout",
    "Retries",
    "SubDevice",
    "Subscriber",
    "ThingsteadError",
    "TooLarge",
    "TooManyRequests",
    "Unavailable",
    "ViewKeys",
    "Walk",
    "administrators",
    "alarm_rules",
    "alarms",
    "applications",
    "control",
    "customers",
    "data",
    "desk",
    "device_groups",
    "device_types",
    "devices",
    "frames",
    "info",
    "logs",
    "many",
    "notify_groups",
    "scoped_tokens",
]
