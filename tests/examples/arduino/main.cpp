// Runs a sketch as the Arduino core does.
#include "Arduino.h"
#include SKETCH

int main() {
  setup();
  for (;;) loop();
}
