// The client of Thingstead for browsers and Node.js: calls of the Project API, and live values over MQTT on a WebSocket.
export { ProjectClient } from "./client.js";
export { ApiError, DeviceOffline, Unreachable } from "./errors.js";
export { subscribe } from "./live.js";
