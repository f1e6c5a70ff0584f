"""The configuration: one frozen tree = defaults, then a TOML file, then ``THINGSTEAD_*`` variables, then flags.

Every setting is declared once, as a member of a Struct, with its range, unit and description in ``Meta``. Names are
dotted (``mqtt.keep_alive_max_s``): a table of the TOML file, then the key. The environment variable of a setting is
its name in capitals with ``_`` for the dot (``THINGSTEAD_MQTT_KEEP_ALIVE_MAX_S``).
"""

from thingstead.config.listeners import Listener, ListenerSpec
from thingstead.config.loading import CONFIG_VARIABLE, dump, load
from thingstead.config.settings import (
    AccountSettings,
    ApiSettings,
    AppSettings,
    ClusterSettings,
    ForwardingSettings,
    FunctionSettings,
    ModbusSettings,
    MqttSettings,
    NotifySettings,
    OtaSettings,
    PublicSettings,
    StorageSettings,
    TaskSettings,
    TcpSettings,
    TracingSettings,
)
from thingstead.config.tree import SETTINGS, Config, Setting

__all__ = [
    "CONFIG_VARIABLE",
    "SETTINGS",
    "AccountSettings",
    "ApiSettings",
    "AppSettings",
    "ClusterSettings",
    "Config",
    "ForwardingSettings",
    "FunctionSettings",
    "Listener",
    "ListenerSpec",
    "ModbusSettings",
    "MqttSettings",
    "NotifySettings",
    "OtaSettings",
    "PublicSettings",
    "Setting",
    "StorageSettings",
    "TaskSettings",
    "TcpSettings",
    "TracingSettings",
    "dump",
    "load",
]
