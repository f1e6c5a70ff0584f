"""Runs a MicroPython program under CPython: the modules of a board that examples/esp32_micropython uses.

python board.py FOLDER: the folder holds main.py and config.py.
"""

import os
import runpy
import sys
import threading
import time
import types
from pathlib import Path
from typing import Any, ClassVar

import paho.mqtt.client as paho
from paho.mqtt.enums import CallbackAPIVersion

STARTED = tuple(sys.argv)  # which runpy changes
OLD_CODES = {134: 4, 135: 5}  # of MQTT 3.1.1, which umqtt shows


class Pin:
    """A pin that tells when it changes."""

    OUT = 1

    def __init__(self, number: int, mode: int = 0) -> None:
        self._number = number
        self._level = 0

    def value(self, level: int | None = None) -> int:
        if level is not None:
            self._level = level
            print("pin", self._number, level, flush=True)  # noqa: T201 - the test waits for it
        return self._level


class ADC:
    """A converter that always reads the same."""

    def __init__(self, pin: Pin) -> None: ...

    def read(self) -> int:
        return 500


class WDT:
    """A watchdog: a program that does not feed it starts anew, as it does on a board after a reset."""

    def __init__(self, timeout: int) -> None:
        self._fed = threading.Event()
        threading.Thread(target=self._watch, args=(timeout / 1000,), daemon=True).start()

    def feed(self) -> None:
        self._fed.set()

    def _watch(self, timeout_s: float) -> None:
        while self._fed.wait(timeout_s):
            self._fed.clear()
        print("watchdog", flush=True)  # noqa: T201 - the test waits for it
        os.execv(sys.executable, [sys.executable, "-u", *STARTED])  # noqa: S606 - the board after a reset


class WLAN:
    """A network that is there when it is asked for."""

    _connected: ClassVar[bool] = False

    def __init__(self, interface: int) -> None: ...

    def active(self, on: bool) -> None: ...

    def isconnected(self) -> bool:
        return WLAN._connected

    def connect(self, ssid: str, password: str) -> None:
        WLAN._connected = True


class MQTTException(Exception):
    """As in umqtt.simple: the server refused."""


class MQTTClient:
    """The interface of umqtt.simple, played by paho-mqtt."""

    def __init__(self, client_id: str, server: str, port: int, user: str, password: str, keepalive: int) -> None:
        self._address = server, port, keepalive
        self._client = paho.Client(CallbackAPIVersion.VERSION2, client_id, reconnect_on_failure=False)
        self._client.username_pw_set(user, password)
        self._client.on_connect = self._connected
        self._client.on_message = lambda _, __, message: self._callback(message.topic.encode(), message.payload)
        self._code: Any = None

    def set_callback(self, callback: Any) -> None:
        self._callback = callback

    def _connected(self, _: Any, __: Any, ___: Any, reason_code: Any, ____: Any) -> None:
        self._code = reason_code

    def connect(self) -> None:
        self._code = None
        self._client.connect(*self._address)
        while self._code is None:
            if self._client.loop(1) != paho.MQTT_ERR_SUCCESS and self._code is None:
                raise OSError(-1)
        if self._code.is_failure:
            raise MQTTException(OLD_CODES[self._code.value])

    def subscribe(self, topic: str, qos: int) -> None:
        self._client.subscribe(topic, qos)

    def publish(self, topic: str, payload: str, qos: int = 0) -> None:
        sent = self._client.publish(topic, payload, qos)
        while qos and not sent.is_published():
            self._turn(1)

    def check_msg(self) -> None:
        self._turn(0)

    def ping(self) -> None: ...

    def _turn(self, timeout_s: float) -> None:
        if self._client.loop(timeout_s) != paho.MQTT_ERR_SUCCESS:
            raise OSError(-1)


def module(name: str, **members: Any) -> None:
    sys.modules[name] = types.ModuleType(name)
    sys.modules[name].__dict__.update(members)


module("machine", Pin=Pin, ADC=ADC, WDT=WDT)
module("network", WLAN=WLAN, STA_IF=0)
module("umqtt")
module("umqtt.simple", MQTTClient=MQTTClient, MQTTException=MQTTException)
time.__dict__["ticks_ms"] = lambda: int(time.monotonic() * 1000)
time.__dict__["ticks_diff"] = lambda later, earlier: later - earlier
time.__dict__["sleep_ms"] = lambda ms: time.sleep(ms / 1000)

folder = Path(sys.argv[1])
sys.path.insert(0, str(folder))
runpy.run_path(str(folder / "main.py"), run_name="__main__")
