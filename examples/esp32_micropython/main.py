"""A thermometer with a relay on an ESP32 with MicroPython: reports over MQTT, takes pushes and commands.

Put it on the board as main.py, with a config.py (see config.example.py) beside it. umqtt.simple comes with the
firmware, or by `mpremote mip install umqtt.simple`.
"""

import json
import time

import config
import network
from umqtt.simple import MQTTClient, MQTTException

import machine

KEEP_ALIVE_S = 60
PAUSE_MAX_S = 60
WATCHDOG_MS = getattr(config, "WATCHDOG_MS", 180_000)  # longer than the longest pause, and than connecting takes

relay = machine.Pin(2, machine.Pin.OUT)
sensor = machine.ADC(machine.Pin(34))
client = MQTTClient(
    "esp32",
    config.HOST,
    port=config.PORT,
    user=config.ACCESS_TOKEN,
    password=config.PROJECT_KEY,
    keepalive=KEEP_ALIVE_S,
)
report_now = True
# A socket of a server that is gone without a word blocks for ever, and Wi-Fi may hang: the board then starts anew.
watchdog = machine.WDT(timeout=WATCHDOG_MS)


def read_temperature():
    return 21.0 + sensor.read() / 1000  # put your sensor here


def set_relay(on):
    global report_now
    relay.value(1 if on else 0)
    report_now = True  # the cloud learns what the device really does


def on_message(topic, payload):
    topic = topic.decode()
    body = json.loads(payload)
    if topic == "attributes/push" and "relay" in body:
        set_relay(body["relay"])
    elif topic.startswith("command/send/"):
        if body["method"] == "toggle":
            set_relay(not relay.value())
            params = {"relay": bool(relay.value())}
        else:
            params = {"ok": False}
        reply = {"method": body["method"], "params": params, "id": body["id"]}
        client.publish(f"command/reply/{body['id']}", json.dumps(reply))


def connect():
    wifi = network.WLAN(network.STA_IF)
    wifi.active(True)
    if not wifi.isconnected():
        wifi.connect(config.WIFI_SSID, config.WIFI_PASSWORD)
        while not wifi.isconnected():
            time.sleep_ms(200)
    client.connect()
    client.subscribe("attributes/push", qos=1)
    client.subscribe("command/send/+", qos=1)
    print("connected")


def report():
    values = {"temperature": round(read_temperature(), 2), "relay": bool(relay.value())}
    client.publish("attributes", json.dumps(values), qos=1)  # returns when the report is on the server's disk
    print("reported", json.dumps(values))


def serve():
    """Until the connection is lost."""
    global report_now
    reported_at = pinged_at = time.ticks_ms()
    while True:
        client.check_msg()
        watchdog.feed()
        now = time.ticks_ms()
        if report_now or time.ticks_diff(now, reported_at) >= config.REPORT_INTERVAL_MS:
            report_now = False
            report()
            reported_at = now
        if time.ticks_diff(now, pinged_at) >= KEEP_ALIVE_S * 500:
            client.ping()
            pinged_at = now
        time.sleep_ms(10)


def main():
    global report_now
    client.set_callback(on_message)
    pause_s = 1
    while True:
        try:
            watchdog.feed()
            connect()
            report_now = True
            pause_s = 1
            serve()
        except (OSError, MQTTException) as exc:
            print("connection lost:", exc)
            time.sleep(pause_s)
            pause_s = min(2 * pause_s, PAUSE_MAX_S)


main()
