// Cloud and console, and how a function is loaded and called. What it needs of the language is taken before the
// function's text runs, which may change everything.
(function () {
  "use strict";
  var parse = JSON.parse, stringify = JSON.stringify, text = String, Body = Function;
  var LINES_MAX = LIMITS.lines, LINE_LENGTH = LIMITS.line, OUTPUT_MAX = LIMITS.output, DETAIL_LENGTH = LIMITS.detail;
  var device = null, current = null, unit = 1, lines = [], dropped = false;

  function named(name, members) {
    return new Proxy(members, {
      get: function (target, key) {
        if (typeof key === "symbol" || Object.prototype.hasOwnProperty.call(target, key)) return target[key];
        throw new Error(name + "." + key + " is not available here");
      },
    });
  }
  function crc16(bytes, length) {
    var crc = 0xffff;
    for (var i = 0; i < length; i++) {
      crc ^= bytes[i];
      for (var n = 0; n < 8; n++) crc = crc & 1 ? (crc >> 1) ^ 0xa001 : crc >> 1;
    }
    return crc;
  }
  function request(code, words) {
    var buffer = Buffer.alloc(2 + 2 * words.length + 2);
    buffer[0] = unit;
    buffer[1] = code;
    for (var i = 0; i < words.length; i++) buffer.writeUInt16BE(words[i] & 0xffff, 2 + 2 * i);
    buffer.writeUInt16LE(crc16(buffer, buffer.length - 2), buffer.length - 2);
    return buffer.toString("hex");
  }
  function two(value) { return value < 10 ? "0" + value : "" + value; }
  function dateFormat(format, when) {
    var date = when === undefined ? new Date() : new Date(when);
    var hour = date.getHours();
    var parts = {
      YYYY: "" + date.getFullYear(), YY: two(date.getFullYear() % 100),
      MM: two(date.getMonth() + 1), M: "" + (date.getMonth() + 1), DD: two(date.getDate()), D: "" + date.getDate(),
      HH: two(hour), H: "" + hour, hh: two(hour % 12 || 12), h: "" + (hour % 12 || 12),
      mm: two(date.getMinutes()), m: "" + date.getMinutes(), ss: two(date.getSeconds()), s: "" + date.getSeconds(),
      SSS: ("00" + date.getMilliseconds()).slice(-3), A: hour < 12 ? "AM" : "PM", a: hour < 12 ? "am" : "pm",
    };
    return text(format === undefined ? "YYYY-MM-DD HH:mm:ss" : format).replace(
      /YYYY|YY|MM|M|DD|D|HH|H|hh|h|mm|m|SSS|ss|s|A|a/g,
      function (part) { return parts[part]; }
    );
  }
  function sent(json, name) {
    if (json === null) throw new Error("Cloud." + name + " must be written in the function's text with this name");
    return parse(json);
  }
  var cloud = named("Cloud", {
    getDeviceInfo: function () { return sent(device, "getDeviceInfo"); },
    getCurrentAttributes: function () { return sent(current, "getCurrentAttributes"); },
    validateCrc16Modbus: function (buffer) {
      var end = buffer.length - 2;
      return end > 0 && crc16(buffer, end) === (buffer[end] | (buffer[end + 1] << 8));
    },
    Utils: named("Cloud.Utils", {
      base64ToBuffer: function (value) { return Buffer.from(value, "base64"); },
      dateFormat: dateFormat,
    }),
    ModbusRTU: named("Cloud.ModbusRTU", {
      setUnitId: function (value) { unit = value & 255; },
      readCoils: function (address, count) { return request(1, [address, count]); },
      readDiscreteInputs: function (address, count) { return request(2, [address, count]); },
      readHoldingRegisters: function (address, count) { return request(3, [address, count]); },
      readInputRegisters: function (address, count) { return request(4, [address, count]); },
      writeSingleCoil: function (address, on) { return request(5, [address, on ? 0xff00 : 0]); },
      writeSingleRegister: function (address, value) { return request(6, [address, value]); },
    }),
  });
  function shown(value) {
    if (typeof value === "string") return value;
    try {
      var json = stringify(value);
      return json === undefined ? text(value) : json;
    } catch (error) {
      return "?";
    }
  }
  function line() {
    if (lines.length >= LINES_MAX) { dropped = true; return; }
    var row = "";
    for (var i = 0; i < arguments.length && row.length <= LINE_LENGTH; i++) row += (i ? " " : "") + shown(arguments[i]);
    lines[lines.length] = row.length > LINE_LENGTH ? row.slice(0, LINE_LENGTH - 1) + "…" : row;
  }
  function global(name, value) {
    Object.defineProperty(globalThis, name, { value: value, writable: true, configurable: true });
  }
  global("Cloud", cloud);
  global("console", { log: line, info: line, warn: line, error: line, debug: line });

  // An error is turned into text by the engine outside of any time limit, by way of these prototypes.
  [Error, EvalError, RangeError, ReferenceError, SyntaxError, TypeError, URIError, InternalError, AggregateError].forEach(
    function (kind) {
      ["name", "message"].forEach(function (key) {
        var value = kind.prototype[key];
        Object.defineProperty(kind.prototype, key, {
          get: function () { return value; },
          set: function (own) { // so that an error of one's own may still be given a name
            Object.defineProperty(this, key, { value: own, writable: true, configurable: true });
          },
        });
      });
      Object.freeze(kind.prototype);
    }
  );

  // The function's text begins far below any line of this file, so that its lines are known by their numbers.
  var ABOVE = 2000, LINE = /<input>:(\d+)/g, exec = RegExp.prototype.exec, call = Function.prototype.call.bind(exec);
  function place(error) {
    var stack = String(error.stack), found;
    LINE.lastIndex = 0;
    while ((found = call(LINE, stack)) !== null) if (+found[1] > ABOVE) return " (line " + (found[1] - ABOVE) + ")";
    return "";
  }
  // The engine keeps long texts in the pieces of which they were put together; what calls it reads whole ones alone.
  var flat = Function.prototype.call.bind(String.prototype.slice);
  function refused(error) {
    var detail;
    try {
      detail = error instanceof Error ? error.name + ": " + error.message + place(error) : "threw " + shown(error);
    } catch (_) {
      detail = "Error";
    }
    return flat("!" + stringify(text(detail).slice(0, DETAIL_LENGTH)), 0);
  }
  function answered(result) {
    if (result !== null && (typeof result === "object" || typeof result === "function") && typeof result.then === "function") {
      return '!"the function returned a Promise: async functions are not available here"';
    }
    if (typeof result === "bigint") return '!"the function returned a BigInt"';
    var json = stringify(result);
    if (json === undefined) return "=null";
    if (json.length > OUTPUT_MAX) return '!"the result is longer than ' + OUTPUT_MAX + ' bytes"';
    return "=" + json;
  }
  var body = null, moduleObject = null, above = "\n".repeat(ABOVE - 2); // two lines precede the text of a Function
  globalThis.__load = function (source) {
    try {
      moduleObject = { exports: {} };
      new Body("module", "exports", above + parse(source)).call(moduleObject.exports, moduleObject, moduleObject.exports);
      body = moduleObject.exports;
      return typeof body === "function" ? "=null" : '!"module.exports must be a function"';
    } catch (error) {
      return refused(error);
    }
  };
  globalThis.__call = function (kind, argument, deviceText, currentText, identifier) {
    device = deviceText;
    current = currentText;
    unit = 1;
    var outcome;
    try {
      if (kind === 1) outcome = answered(body(identifier, Buffer.from(argument, "hex")));
      else if (kind === 2) outcome = answered(body());
      else outcome = answered(body(parse(argument)));
    } catch (error) {
      outcome = refused(error);
    }
    return flat(outcome, 0);
  };
  globalThis.__lines = function () {
    var some = lines, more = dropped;
    lines = [];
    dropped = false;
    if (more) some[LINES_MAX - 1] = "… further lines are dropped";
    return some.length ? stringify(some) : "";
  };
})();
