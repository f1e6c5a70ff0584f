/**
 * Lines and programs that send a report, or show what is sent to a device, as they stand. Every one is run against a real server by
 * tests/console/test_snippets.py, from tests/console/snippets.json, which the tests of this module write.
 */

export interface Address {
  host: string
  port: number
  tls: boolean
}

/** Where a device connects to, and with what; of what the server does not listen on there is null. */
export interface SnippetTarget {
  http: Address
  mqtt: Address | null
  tcp: Address | null
  accessToken: string
  projectKey: string
}

const SECURE: readonly PortAddress["kind"][] = ["https", "mqtts", "wss", "tcps"]

/** An address at which the server listens, as `GET /project/connection_info` tells it. */
export interface PortAddress {
  kind: "mqtt" | "mqtts" | "http" | "https" | "ws" | "wss" | "tcp" | "tcps"
  host: string
  port: number
}

/** The first of these kinds at which the server listens. */
export function addressOf(endpoints: readonly PortAddress[], ...kinds: PortAddress["kind"][]): Address | null {
  const found = kinds.flatMap((kind) => endpoints.find((one) => one.kind === kind) ?? [])[0]
  return found ? { host: found.host, port: found.port, tls: SECURE.includes(found.kind) } : null
}

/** Where the HTTP planes are reached; without a listener of their own where this page is. */
export function httpAddress(endpoints: readonly PortAddress[]): Address {
  const { hostname, port, protocol } = window.location
  const tls = protocol === "https:"
  return addressOf(endpoints, "http", "https") ?? { host: hostname, port: Number(port) || (tls ? 443 : 80), tls }
}

/** What a device is configured with. Where a port is open with and without TLS, small firmware uses the latter. */
export function targetOf(
  endpoints: readonly PortAddress[],
  certificate: { access_token: string; project_key: string },
  withTcp: boolean,
): SnippetTarget {
  return {
    http: httpAddress(endpoints),
    mqtt: addressOf(endpoints, "mqtt", "mqtts"),
    tcp: withTcp ? addressOf(endpoints, "tcp", "tcps") : null,
    accessToken: certificate.access_token,
    projectKey: certificate.project_key,
  }
}

export type SnippetKind =
  "mosquitto" | "curl" | "python" | "arduino" | "micropython" | "tcp" | "mosquitto_sub" | "application" | "javascript"

export interface Snippet {
  kind: SnippetKind
  /** The name of the program, which is the same in every language. */
  label: string
  /** What must be installed for it, as a line to run; "" for nothing. */
  install: string
  text: string
}

export type Values = Record<string, unknown>
export const SAMPLE: Values = { temperature: 22.5, on: true }

/**
 * One argument of a command line. Double quotes are the same in a POSIX shell and in the command prompt of Windows, so
 * they are used where neither changes what stands inside of them; otherwise single quotes, which only the former knows.
 */
export function shellQuote(text: string): string {
  if (/^[\w@+=:,./•-]+$/.test(text)) return text
  const plain = !/[$`\\!%\n\r]/.test(text) && !(text.includes('"') && /[&|<>^]/.test(text))
  return plain ? `"${text.replaceAll('"', '\\"')}"` : `'${text.replaceAll("'", "'\\''")}'`
}

/** A value as a literal of Python. */
export function pythonLiteral(value: unknown): string {
  if (value === null || value === undefined) return "None"
  if (typeof value === "boolean") return value ? "True" : "False"
  if (Array.isArray(value)) return `[${value.map(pythonLiteral).join(", ")}]`
  if (typeof value === "object") {
    const members = Object.entries(value).map(([name, one]) => `${JSON.stringify(name)}: ${pythonLiteral(one)}`)
    return `{${members.join(", ")}}`
  }
  return JSON.stringify(value)
}

/** JSON with a space behind colons and commas, as people write it. */
export function spacedJson(value: unknown): string {
  if (Array.isArray(value)) return `[${value.map(spacedJson).join(", ")}]`
  if (value !== null && typeof value === "object")
    return `{${Object.entries(value)
      .map(([name, one]) => `${JSON.stringify(name)}: ${spacedJson(one)}`)
      .join(", ")}}`
  return JSON.stringify(value)
}

export const command = (...parts: readonly string[]) => parts.map(shellQuote).join(" ")
export const inBrackets = (host: string) => (host.includes(":") ? `[${host}]` : host)

/** The address of the HTTP plane, such as http://192.168.1.10:8080. */
export function origin({ host, port, tls }: Address): string {
  return `${tls ? "https" : "http"}://${inBrackets(host)}${port === (tls ? 443 : 80) ? "" : `:${port}`}`
}

function mosquitto(target: SnippetTarget, mqtt: Address, values: Values): string {
  const tls = mqtt.tls ? ["--tls-use-os-certs"] : []
  return command(
    ...["mosquitto_pub", "-h", mqtt.host, "-p", String(mqtt.port), ...tls],
    ...["-u", target.accessToken, "-P", target.projectKey, "-q", "1", "-t", "attributes", "-m", spacedJson(values)],
  )
}

/** What the platform sends to the device, as it comes. */
function mosquittoSub(target: SnippetTarget, mqtt: Address): string {
  const tls = mqtt.tls ? ["--tls-use-os-certs"] : []
  return command(
    ...["mosquitto_sub", "-h", mqtt.host, "-p", String(mqtt.port), ...tls, "-v", "-q", "1"],
    ...["-u", target.accessToken, "-P", target.projectKey, "-t", "attributes/push", "-t", "command/send/+"],
  )
}

function curl(target: SnippetTarget, values: Values): string {
  const url = `${origin(target.http)}/device/v1/${target.accessToken}/attributes`
  return command("curl", url, "-H", `Project-Key: ${target.projectKey}`, "-d", spacedJson(values))
}

function python(target: SnippetTarget, mqtt: Address, values: Values): string {
  return `import json

import paho.mqtt.client as mqtt


def on_connect(client, userdata, flags, reason_code, properties):
    print(reason_code)
    client.subscribe([("attributes/push", 1), ("command/send/+", 1)])


def on_message(client, userdata, message):
    print(message.topic, message.payload.decode())


client = mqtt.Client(mqtt.CallbackAPIVersion.VERSION2)
client.on_connect = on_connect
client.on_message = on_message
client.username_pw_set(${JSON.stringify(target.accessToken)}, ${JSON.stringify(target.projectKey)})
${mqtt.tls ? "client.tls_set()\n" : ""}client.connect(${JSON.stringify(mqtt.host)}, ${mqtt.port})
client.loop_start()

report = client.publish("attributes", json.dumps(${pythonLiteral(values)}), qos=1)
report.wait_for_publish(timeout=10)  # returns when the report is on disk
print("reported" if report.is_published() else "not reported")

input("Enter ends it\\n")
client.disconnect()
`
}

function arduino(target: SnippetTarget, mqtt: Address, values: Values): string {
  return `#include <WiFi.h>  // of an ESP8266: ESP8266WiFi.h
#include <PubSubClient.h>

const char *ssid = "your network";
const char *password = "its password";

WiFiClient network;
PubSubClient mqtt(network);

void onMessage(char *topic, uint8_t *payload, unsigned int length) {
  Serial.printf("%s %.*s\\n", topic, (int)length, (char *)payload);
}

void setup() {
  Serial.begin(115200);
  WiFi.begin(ssid, password);
  mqtt.setServer(${JSON.stringify(mqtt.host)}, ${mqtt.port});
  mqtt.setCallback(onMessage);
  mqtt.setBufferSize(1024);
}

void loop() {
  if (!mqtt.connected()) {
    if (WiFi.status() == WL_CONNECTED && mqtt.connect("esp", ${JSON.stringify(target.accessToken)}, ${JSON.stringify(target.projectKey)})) {
      Serial.println("connected");
      mqtt.subscribe("attributes/push", 1);
      mqtt.subscribe("command/send/+", 1);
      mqtt.publish("attributes", ${JSON.stringify(JSON.stringify(values))});
    } else {
      Serial.printf("not connected, state %d\\n", mqtt.state());
      delay(2000);
    }
  }
  mqtt.loop();
}
`
}

function micropython(target: SnippetTarget, mqtt: Address, values: Values): string {
  return `import json
import time

import network
from umqtt.simple import MQTTClient

wifi = network.WLAN(network.STA_IF)
wifi.active(True)
wifi.connect("your network", "its password")
while not wifi.isconnected():
    time.sleep_ms(200)


def on_message(topic, payload):
    print(topic.decode(), payload.decode())


client = MQTTClient(
    "esp",
    ${JSON.stringify(mqtt.host)},
    port=${mqtt.port},
    user=${JSON.stringify(target.accessToken)},
    password=${JSON.stringify(target.projectKey)},
    keepalive=60,
)
client.set_callback(on_message)
client.connect()
print("connected")
client.subscribe("attributes/push", qos=1)
client.subscribe("command/send/+", qos=1)
client.publish("attributes", json.dumps(${pythonLiteral(values)}), qos=1)
print("reported")

while True:
    for _ in range(300):
        client.check_msg()
        time.sleep_ms(100)
    client.ping()
`
}

/** A modem of bytes: the registration packet, then one packet of the stream that is bound to TCP. */
function rawTcp(target: SnippetTarget, tcp: Address): string {
  const registration = shellQuote(`${target.projectKey}&${target.accessToken}`)
  return `{ printf %s ${registration}; sleep 1; printf %s hello; } | nc -w 2 ${shellQuote(tcp.host)} ${tcp.port}`
}

/** All that fit the server. The board programs speak without TLS, as their libraries do. */
export function snippetsFor(target: SnippetTarget, values: Values = SAMPLE): Snippet[] {
  const { mqtt, tcp } = target
  const found: Snippet[] = []
  const add = (kind: SnippetKind, label: string, install: string, text: string) =>
    found.push({ kind, label, install, text })
  if (mqtt) add("mosquitto", "mosquitto_pub", "apt install mosquitto-clients", mosquitto(target, mqtt, values))
  if (mqtt) add("mosquitto_sub", "mosquitto_sub", "apt install mosquitto-clients", mosquittoSub(target, mqtt))
  add("curl", "curl", "", curl(target, values))
  if (mqtt) add("python", "Python", "pip install paho-mqtt", python(target, mqtt, values))
  if (mqtt && !mqtt.tls) {
    add("arduino", "Arduino", "arduino-cli lib install PubSubClient", arduino(target, mqtt, values))
    add("micropython", "MicroPython", "mpremote mip install umqtt.simple", micropython(target, mqtt, values))
  }
  if (tcp && !tcp.tls) add("tcp", "TCP", "", rawTcp(target, tcp))
  return found
}

/** What stands in place of a secret until somebody asks to see it. */
export const MASK = "••••••••"

/** The same target as it is shown: its secrets are hidden. */
export function masked(target: SnippetTarget): SnippetTarget {
  return { ...target, accessToken: MASK, projectKey: MASK }
}
