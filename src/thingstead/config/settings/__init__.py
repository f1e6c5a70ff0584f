"""The settings, one module per table, with range, unit and description."""

from thingstead.config.settings.account import AccountSettings
from thingstead.config.settings.app import AppSettings
from thingstead.config.settings.cluster import ClusterSettings
from thingstead.config.settings.declaring import about
from thingstead.config.settings.forwarding import ForwardingSettings
from thingstead.config.settings.functions import FunctionSettings
from thingstead.config.settings.http import ApiSettings
from thingstead.config.settings.modbus import ModbusSettings
from thingstead.config.settings.mqtt import MqttSettings
from thingstead.config.settings.notify import NotifySettings
from thingstead.config.settings.ota import OtaSettings
from thingstead.config.settings.public import PublicSettings
from thingstead.config.settings.storage import StorageSettings
from thingstead.config.settings.tasks import TaskSettings
from thingstead.config.settings.tcp import TcpSettings
from thingstead.config.settings.tracing import TracingSettings

__all__ = [
    "AccountSettings",
    "ApiSettings",
    "AppSettings",
    "ClusterSettings",
    "ForwardingSettings",
    "FunctionSettings",
    "ModbusSettings",
    "MqttSettings",
    "NotifySettings",
    "OtaSettings",
    "PublicSettings",
    "StorageSettings",
    "TaskSettings",
    "TcpSettings",
    "TracingSettings",
    "about",
]
