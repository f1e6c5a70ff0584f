// A thermometer with a relay on an ESP32: reports over MQTT, takes pushed attributes and commands, replies to them.
//
// Arduino IDE: install the library PubSubClient, fill in what follows, choose your board, upload.

#include <PubSubClient.h>
#include <WiFi.h>

#ifndef WIFI_SSID
#define WIFI_SSID "your network"
#define WIFI_PASSWORD "its password"
#define SERVER_HOST "192.168.1.10"
#define SERVER_PORT 1883
#define ACCESS_TOKEN "access_token of GET /api/v1/device/<id>/certificate"
#define PROJECT_KEY "project_key of the same answer"
#define REPORT_INTERVAL_MS 30000
#endif

const int RELAY_PIN = 2;
const int BUFFER_BYTES = 1024;  // topic and payload of the largest message
const unsigned long PAUSE_MAX_MS = 60000;

WiFiClient network;
PubSubClient mqtt(network);
bool relay = false;
bool reportNow = true;
unsigned long reportedAt = 0;
unsigned long pauseMs = 500;

float readTemperature() {
  return 21.0 + analogRead(34) / 1000.0;  // put your sensor here
}

void setRelay(bool on) {
  relay = on;
  digitalWrite(RELAY_PIN, on ? HIGH : LOW);
  reportNow = true;  // the cloud learns what the device really does
}

// The text after "name": in a flat JSON object, or NULL. Enough for what is sent here; use ArduinoJson for more.
const char *member(const char *json, const char *name) {
  char key[40];
  snprintf(key, sizeof key, "\"%s\"", name);
  const char *at = strstr(json, key);
  at = at ? strchr(at + strlen(key), ':') : NULL;
  while (at && (*++at == ' ')) {
  }
  return at;
}

bool startsWith(const char *text, const char *beginning) {
  return text && strncmp(text, beginning, strlen(beginning)) == 0;
}

void onPush(const char *json) {
  const char *value = member(json, "relay");
  if (value) setRelay(startsWith(value, "true"));
}

void onCommand(const char *id, const char *json) {
  const char *method = member(json, "method");
  bool known = startsWith(method, "\"toggle\"");
  if (known) setRelay(!relay);

  char topic[48], reply[128];
  snprintf(topic, sizeof topic, "command/reply/%s", id);
  snprintf(reply, sizeof reply, "{\"method\":\"%s\",\"params\":{\"%s\":%s},\"id\":%s}", known ? "toggle" : "unknown",
           known ? "relay" : "ok", relay && known ? "true" : "false", id);
  mqtt.publish(topic, reply);
}

void onMessage(char *topic, uint8_t *payload, unsigned int length) {
  static char json[BUFFER_BYTES];
  if (length >= sizeof json) return;
  memcpy(json, payload, length);
  json[length] = '\0';
  if (strcmp(topic, "attributes/push") == 0) onPush(json);
  if (startsWith(topic, "command/send/")) onCommand(topic + strlen("command/send/"), json);
}

void connectOnce() {
  if (WiFi.status() != WL_CONNECTED) {
    WiFi.begin(WIFI_SSID, WIFI_PASSWORD);
    return;
  }
  if (!mqtt.connect("esp32", ACCESS_TOKEN, PROJECT_KEY)) {
    Serial.printf("not connected, state %d\n", mqtt.state());  // 4 and 5: the certificate is wrong
    return;
  }
  mqtt.subscribe("attributes/push", 1);
  mqtt.subscribe("command/send/+", 1);
  Serial.println("connected");
  pauseMs = 500;
  reportNow = true;
}

void report() {
  char json[96];
  snprintf(json, sizeof json, "{\"temperature\":%.2f,\"relay\":%s}", readTemperature(), relay ? "true" : "false");
  if (mqtt.publish("attributes", json)) Serial.printf("reported %s\n", json);
  reportedAt = millis();
  reportNow = false;
}

void setup() {
  Serial.begin(115200);
  pinMode(RELAY_PIN, OUTPUT);
  mqtt.setServer(SERVER_HOST, SERVER_PORT);
  mqtt.setCallback(onMessage);
  mqtt.setBufferSize(BUFFER_BYTES);
  mqtt.setKeepAlive(60);
}

void loop() {
  if (!mqtt.connected()) {
    connectOnce();
    if (!mqtt.connected()) {
      delay(pauseMs);  // many devices that come back at once should not all come at once again and again
      pauseMs = pauseMs < PAUSE_MAX_MS / 2 ? pauseMs * 2 + random(500) : PAUSE_MAX_MS;
    }
    return;
  }
  mqtt.loop();
  if (reportNow || millis() - reportedAt >= REPORT_INTERVAL_MS) report();
  delay(10);
}
