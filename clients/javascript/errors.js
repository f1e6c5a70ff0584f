// What calls throw.

/** A refusal by the server. `errcode` and `code` are stable (docs/refusals.md); the message is for people. */
export class ApiError extends Error {
  constructor(errcode, message, { code = "", args = {}, errors = [], retryAfter } = {}) {
    super(message);
    this.name = "ApiError";
    this.errcode = errcode;
    this.code = code;
    this.args = args;
    this.errors = errors;
    this.retryAfter = retryAfter;
  }
}

/** The device cannot receive the command or the data now. */
export class DeviceOffline extends ApiError {
  constructor(...args) {
    super(...args);
    this.name = "DeviceOffline";
  }
}

/** No answer: the server cannot be reached or took too long. It may have acted. */
export class Unreachable extends Error {
  constructor(message, options) {
    super(message, options);
    this.name = "Unreachable";
  }
}

// Codes of errcode 404 that mean DeviceOffline.
const OFFLINE = new Set([
  "all_queues_full",
  "client_queue_full",
  "command_behind",
  "command_failed",
  "command_not_accepted",
  "command_not_acknowledged",
  "command_not_taken",
  "device_not_on",
  "device_offline",
  "device_queue_full",
  "device_reads_slowly",
  "larger_than_client_takes",
  "message_expired",
  "no_commands_over_tcp",
  "no_reply_in_time",
  "not_subscribed",
  "refused_by_device",
  "sender_stopped_waiting",
  "session_over",
]);

/** The error of an answer with this HTTP status, decoded from JSON or null. */
export function errorOf(status, answer, retryAfter) {
  const { message = `the server answered HTTP ${status}`, code = "", args = {}, errors = [] } = answer ?? {};
  const errcode = answer?.errcode || status;
  const kind = errcode === 404 && OFFLINE.has(code) ? DeviceOffline : ApiError;
  return new kind(errcode, message, { code, args, errors, retryAfter });
}
