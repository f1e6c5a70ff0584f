// As much of the Arduino core as examples/esp32 uses, on a POSIX system.
#pragma once
#include <cstdarg>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <ctime>
#include <unistd.h>

enum { LOW, HIGH, INPUT, OUTPUT };

inline void pinMode(int, int) {}
inline void digitalWrite(int pin, int level) { printf("pin %d %d\n", pin, level); }
inline int analogRead(int) { return 500; }
inline long random(long most) { return rand() % most; }
inline void delay(unsigned long ms) { fflush(stdout), usleep(ms * 1000); }
inline unsigned long millis() {
  timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return now.tv_sec * 1000UL + now.tv_nsec / 1000000;
}

struct SerialPort {
  void begin(long) {}
  void println(const char *text) { puts(text); }
  void printf(const char *format, ...) {
    va_list arguments;
    va_start(arguments, format);
    vprintf(format, arguments);
    va_end(arguments);
  }
};
inline SerialPort Serial;
