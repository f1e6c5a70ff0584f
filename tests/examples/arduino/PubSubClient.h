// The interface of the library PubSubClient as examples/esp32 uses it, over a POSIX socket: MQTT 3.1.1 at QoS 0, with
// messages of at most 1024 bytes. It acknowledges what comes at QoS 1.
#pragma once
#include <arpa/inet.h>
#include <poll.h>
#include <sys/socket.h>

#include <string>

#include "Arduino.h"
#include "WiFi.h"

class PubSubClient {
 public:
  explicit PubSubClient(WiFiClient &) {}
  void setServer(const char *host, int port) { host_ = host, port_ = port; }
  void setCallback(void (*callback)(char *, uint8_t *, unsigned int)) { callback_ = callback; }
  void setBufferSize(int) {}
  void setKeepAlive(int seconds) { keepAlive_ = seconds; }
  bool connected() { return socket_ >= 0; }
  int state() { return state_; }

  bool connect(const char *id, const char *user, const char *password) {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(port_);
    inet_pton(AF_INET, host_, &address.sin_addr);
    socket_ = socket(AF_INET, SOCK_STREAM, 0);
    if (::connect(socket_, reinterpret_cast<sockaddr *>(&address), sizeof address) != 0) return drop(-2);
    std::string body = text("MQTT") + std::string("\x04\xC2", 2) + u16(keepAlive_) + text(id) + text(user) + text(password);
    send(0x10, body);
    std::string answer;
    if (receive(answer) != 0x20 || answer.size() != 2) return drop(-1);
    return answer[1] == 0 || drop(answer[1]);
  }

  bool subscribe(const char *filter, int qos) { return send(0x82, u16(1) + text(filter) + static_cast<char>(qos)); }
  bool publish(const char *topic, const char *payload) { return send(0x30, text(topic) + payload); }

  void loop() {
    pollfd ready{socket_, POLLIN, 0};
    while (socket_ >= 0 && poll(&ready, 1, 0) > 0) {
      std::string body;
      int first = receive(body);
      if ((first & 0xF0) != 0x30) continue;
      size_t size = static_cast<uint8_t>(body[0]) << 8 | static_cast<uint8_t>(body[1]);
      std::string topic = body.substr(2, size);
      bool acknowledged = first & 0x06;
      if (acknowledged) send(0x40, body.substr(2 + size, 2));
      std::string payload = body.substr(2 + size + (acknowledged ? 2 : 0));
      callback_(topic.data(), reinterpret_cast<uint8_t *>(payload.data()), payload.size());
    }
  }

 private:
  static std::string u16(size_t value) { return {static_cast<char>(value >> 8), static_cast<char>(value)}; }
  static std::string text(const std::string &value) { return u16(value.size()) + value; }

  bool drop(int state) {
    if (socket_ >= 0) close(socket_);
    socket_ = -1;
    state_ = state;
    return false;
  }

  bool send(int first, const std::string &body) {
    std::string packet{static_cast<char>(first)};
    size_t rest = body.size();
    do packet += static_cast<char>((rest & 127) | (rest > 127 ? 128 : 0));
    while (rest >>= 7);
    packet += body;
    return ::send(socket_, packet.data(), packet.size(), MSG_NOSIGNAL) == static_cast<ssize_t>(packet.size()) || drop(-3);
  }

  bool take(char *to, size_t size) {
    while (size) {
      ssize_t taken = recv(socket_, to, size, 0);
      if (taken <= 0) return drop(-3);
      to += taken, size -= taken;
    }
    return true;
  }

  int receive(std::string &body) {
    char first, byte;
    size_t size = 0;
    int shift = 0;
    if (!take(&first, 1)) return -1;
    do {
      if (!take(&byte, 1)) return -1;
      size |= static_cast<size_t>(byte & 127) << shift;
      shift += 7;
    } while (byte & 128);
    body.resize(size);
    return take(body.data(), size) ? static_cast<uint8_t>(first) : -1;
  }

  const char *host_ = "";
  int port_ = 0, keepAlive_ = 15, socket_ = -1, state_ = -1;
  void (*callback_)(char *, uint8_t *, unsigned int) = nullptr;
};
