"""A thermometer with a relay, over MQTT: reports, takes pushed attributes and commands, and answers them."""

import argparse
import json
import os
import random
import threading
from typing import Any

import paho.mqtt.client as mqtt


def say(text: str) -> None:
    """Prints a line as a whole, since two threads do."""
    print(f"{text}\n", end="", flush=True)


class Thermometer:
    """What the device measures and switches."""

    def __init__(self) -> None:
        self.temperature = 21.0
        self.relay = False

    def measure(self) -> dict[str, Any]:
        """The values of the next report."""
        self.temperature += random.gauss(0, 0.1)
        return {"temperature": round(self.temperature, 2), "relay": self.relay}

    def push(self, attributes: dict[str, Any]) -> None:
        """Takes values that were sent from the cloud."""
        self.relay = bool(attributes.get("relay", self.relay))

    def run(self, method: str, params: dict[str, Any]) -> dict[str, Any]:
        """Carries out a command; the parameters of its reply."""
        if method == "toggle":
            self.relay = not self.relay
            return {"relay": self.relay}
        return {"error": f"unknown method {method}"}


def connect(thermometer: Thermometer, host: str, port: int, access_token: str, project_key: str) -> mqtt.Client:
    """A client that keeps connected, from a thread of its own."""
    client = mqtt.Client(mqtt.CallbackAPIVersion.VERSION2)
    client.username_pw_set(access_token, project_key)

    def on_connect(_: mqtt.Client, __: Any, ___: Any, reason_code: Any, ____: Any) -> None:
        if reason_code.is_failure:
            say(f"the server refused the connection: {reason_code}")
            return
        say("connected")
        client.subscribe([("attributes/push", 1), ("command/send/+", 1)])

    def on_subscribe(_: mqtt.Client, __: Any, ___: int, reason_codes: list[Any], ____: Any) -> None:
        say("subscribed" if not any(code.is_failure for code in reason_codes) else f"not subscribed: {reason_codes}")

    def on_message(_: mqtt.Client, __: Any, message: mqtt.MQTTMessage) -> None:
        body = json.loads(message.payload)
        say(f"{message.topic} {body}")
        if message.topic == "attributes/push":
            thermometer.push(body)
        else:
            reply = {
                "method": body["method"],
                "params": thermometer.run(body["method"], body["params"]),
                "id": body["id"],
            }
            client.publish(f"command/reply/{body['id']}", json.dumps(reply), qos=1)
        client.publish("attributes", json.dumps(thermometer.measure()), qos=1)

    client.on_connect = on_connect
    client.on_subscribe = on_subscribe
    client.on_message = on_message
    client.connect(host, port, keepalive=60)
    client.loop_start()
    return client


def main() -> None:
    """Reports until it is interrupted, or as often as it was told."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--host", default=os.environ.get("MQTT_HOST", "localhost"))
    parser.add_argument("--port", type=int, default=int(os.environ.get("MQTT_PORT", "1883")))
    parser.add_argument("--access-token", default=os.environ.get("ACCESS_TOKEN"))
    parser.add_argument("--project-key", default=os.environ.get("PROJECT_KEY"))
    parser.add_argument("--interval", type=float, default=5, help="seconds between two reports")
    parser.add_argument("--count", type=int, default=0, help="how many reports; 0 goes on for ever")
    arguments = parser.parse_args()
    if not arguments.access_token or not arguments.project_key:
        parser.error("--access-token and --project-key are needed")

    thermometer = Thermometer()
    client = connect(thermometer, arguments.host, arguments.port, arguments.access_token, arguments.project_key)
    reported = 0
    try:
        while not arguments.count or reported < arguments.count:
            report = client.publish("attributes", json.dumps(thermometer.measure()), qos=1)
            report.wait_for_publish(timeout=30)  # returns when the report is on the server's disk
            if not report.is_published():
                raise SystemExit("the server did not acknowledge the report")
            reported += 1
            say(f"reported {reported}")
            threading.Event().wait(arguments.interval)
    except KeyboardInterrupt:
        pass
    finally:
        client.disconnect()
        client.loop_stop()


if __name__ == "__main__":
    main()
