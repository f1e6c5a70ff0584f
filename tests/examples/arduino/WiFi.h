// A network that is there when it is asked for.
#pragma once
#include "Arduino.h"

enum { WL_CONNECTED = 3, WL_DISCONNECTED = 6 };

struct WiFiClass {
  int state = WL_DISCONNECTED;
  int status() { return state; }
  void begin(const char *, const char *) { state = WL_CONNECTED; }
};
inline WiFiClass WiFi;

struct WiFiClient {};
