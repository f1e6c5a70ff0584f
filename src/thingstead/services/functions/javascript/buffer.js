// Buffer as in Node, as far as functions of devices' bytes use it.
(function () {
  "use strict";
  var ALPHABET = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  var fromCharCode = String.fromCharCode;
  var fromHex = Uint8Array.fromHex.bind(Uint8Array), toHex = Uint8Array.prototype.toHex;
  function encoding(name) {
    var text = name === undefined || name === null ? "utf8" : String(name).toLowerCase();
    if (text === "utf-8") return "utf8";
    if (text === "binary") return "latin1";
    if (["utf8", "hex", "base64", "base64url", "ascii", "latin1"].indexOf(text) < 0) {
      throw new TypeError("Unknown encoding: " + name);
    }
    return text;
  }
  function utf8Bytes(text) {
    var bytes = [];
    for (var i = 0; i < text.length; i++) {
      var code = text.codePointAt(i);
      if (code > 0xffff) i++;
      else if (code >= 0xd800 && code <= 0xdfff) code = 0xfffd;
      if (code < 0x80) bytes.push(code);
      else if (code < 0x800) bytes.push(0xc0 | (code >> 6), 0x80 | (code & 63));
      else if (code < 0x10000) bytes.push(0xe0 | (code >> 12), 0x80 | ((code >> 6) & 63), 0x80 | (code & 63));
      else bytes.push(0xf0 | (code >> 18), 0x80 | ((code >> 12) & 63), 0x80 | ((code >> 6) & 63), 0x80 | (code & 63));
    }
    return bytes;
  }
  function utf8Text(bytes, begin, end) {
    var text = "";
    for (var i = begin; i < end; ) {
      var first = bytes[i++];
      if (first < 0x80) { text += fromCharCode(first); continue; }
      var more = first >= 0xf0 && first < 0xf5 ? 3 : first >= 0xe0 && first < 0xf0 ? 2 : first >= 0xc2 && first < 0xe0 ? 1 : 0;
      var code = more ? first & (0x3f >> more) : -1;
      var from = i;
      for (var n = more; n > 0 && code >= 0; n--) {
        if (i < end && (bytes[i] & 0xc0) === 0x80) code = (code << 6) | (bytes[i++] & 63);
        else code = -1;
      }
      if (more === 2 && code >= 0 && (code < 0x800 || (code >= 0xd800 && code <= 0xdfff))) { code = -1; i = from; }
      if (more === 3 && code >= 0 && (code < 0x10000 || code > 0x10ffff)) { code = -1; i = from; }
      text += code < 0 ? "\ufffd" : String.fromCodePoint(code);
    }
    return text;
  }
  function base64Bytes(text) {
    var bytes = [], bits = 0, count = 0;
    for (var i = 0; i < text.length; i++) {
      var c = text[i];
      if (c === "=") break;
      var value = ALPHABET.indexOf(c === "-" ? "+" : c === "_" ? "/" : c);
      if (value < 0) continue;
      bits = ((bits << 6) | value) & 0xffffff;
      count += 6;
      if (count >= 8) { count -= 8; bytes.push((bits >> count) & 255); }
    }
    return bytes;
  }
  function base64Text(bytes, begin, end) {
    var text = "";
    for (var i = begin; i < end; i += 3) {
      var group = (bytes[i] << 16) | ((i + 1 < end ? bytes[i + 1] : 0) << 8) | (i + 2 < end ? bytes[i + 2] : 0);
      text += ALPHABET[group >> 18] + ALPHABET[(group >> 12) & 63];
      text += (i + 1 < end ? ALPHABET[(group >> 6) & 63] : "=") + (i + 2 < end ? ALPHABET[group & 63] : "=");
    }
    return text;
  }
  function nibble(code) {
    if (code >= 48 && code <= 57) return code - 48;
    code |= 32;
    return code >= 97 && code <= 102 ? code - 87 : -1;
  }
  function bytesOf(text, name) {
    var kind = encoding(name), bytes = [];
    if (kind === "utf8") return utf8Bytes(text);
    if (kind === "base64" || kind === "base64url") return base64Bytes(text);
    if (kind === "hex") {
      try {
        return fromHex(text);
      } catch (error) {
        // Node takes what is in front of the first pair that is not hexadecimal.
      }
      var packed = new Uint8Array(text.length >> 1);
      for (var i = 0; i < packed.length; i++) {
        var high = nibble(text.charCodeAt(2 * i)), low = nibble(text.charCodeAt(2 * i + 1));
        if (high < 0 || low < 0) break;
        packed[i] = (high << 4) | low;
      }
      return packed.subarray(0, i);
    }
    for (var n = 0; n < text.length; n++) bytes.push(text.charCodeAt(n) & 255);
    return bytes;
  }
  class Buffer extends Uint8Array {
    static from(value, second, third) {
      if (typeof value === "string") return own(bytesOf(value, second));
      if (value instanceof ArrayBuffer) return new Buffer(value, second, third);
      if (value && value.type === "Buffer" && Array.isArray(value.data)) return own(value.data);
      if (value && typeof value === "object" && typeof value.length === "number") return own(value);
      throw new TypeError("Buffer.from needs a text, an array of bytes, a Buffer or an ArrayBuffer");
    }
    static alloc(size, fill, name) {
      var buffer = new Buffer(size);
      return fill === undefined ? buffer : buffer.fill(fill, 0, size, name);
    }
    static allocUnsafe(size) { return new Buffer(size); }
    static isBuffer(value) { return value instanceof Buffer; }
    static byteLength(value, name) { return typeof value === "string" ? bytesOf(value, name).length : value.byteLength; }
    static concat(list, length) {
      var total = 0, at = 0;
      for (var i = 0; i < list.length; i++) total += list[i].length;
      var buffer = new Buffer(length === undefined ? total : length);
      for (var n = 0; n < list.length && at < buffer.length; n++) {
        buffer.set(list[n].subarray(0, buffer.length - at), at);
        at += list[n].length;
      }
      return buffer;
    }
    static compare(a, b) { return Buffer.from(a).compare(b); }
    toString(name, begin, end) {
      var kind = encoding(name);
      begin = begin === undefined ? 0 : Math.max(0, begin | 0);
      end = end === undefined ? this.length : Math.min(this.length, end | 0);
      if (kind === "utf8") return utf8Text(this, begin, end);
      if (kind === "hex") return toHex.call(this.subarray(begin, end));
      if (kind === "base64") return base64Text(this, begin, end);
      if (kind === "base64url") return base64Text(this, begin, end).replace(/\+/g, "-").replace(/\//g, "_").replace(/=/g, "");
      var text = "";
      for (var i = begin; i < end; i++) {
        var byte = this[i];
        text += fromCharCode(kind === "ascii" ? byte & 127 : byte);
      }
      return text;
    }
    toLocaleString(name, begin, end) { return this.toString(name, begin, end); }
    toJSON() { return { type: "Buffer", data: Array.from(this) }; }
    slice(begin, end) { return this.subarray(begin, end); }
    equals(other) { return this.compare(other) === 0; }
    compare(other) {
      for (var i = 0; i < this.length && i < other.length; i++) {
        if (this[i] !== other[i]) return this[i] < other[i] ? -1 : 1;
      }
      return this.length === other.length ? 0 : this.length < other.length ? -1 : 1;
    }
    copy(target, at, begin, end) {
      var part = this.subarray(begin === undefined ? 0 : begin, end === undefined ? this.length : end);
      at = at === undefined ? 0 : at;
      part = part.subarray(0, Math.max(0, target.length - at));
      target.set(part, at);
      return part.length;
    }
    fill(value, begin, end, name) {
      if (typeof value === "number") return super.fill(value, begin, end);
      if (typeof begin === "string") { name = begin; begin = undefined; }
      var bytes = typeof value === "string" ? bytesOf(value, name) : value;
      var last = end === undefined ? this.length : end;
      for (var i = begin || 0, n = 0; i < last; i++, n++) this[i] = bytes.length ? bytes[n % bytes.length] : 0;
      return this;
    }
    indexOf(value, begin, name) {
      if (typeof value === "number") return super.indexOf(value & 255, begin);
      var bytes = typeof value === "string" ? bytesOf(value, name) : value;
      for (var i = begin || 0; i + bytes.length <= this.length; i++) {
        var n = 0;
        while (n < bytes.length && this[i + n] === bytes[n]) n++;
        if (n === bytes.length) return i;
      }
      return -1;
    }
    includes(value, begin, name) { return this.indexOf(value, begin, name) >= 0; }
    write(text, at, length, name) {
      if (typeof at === "string") { name = at; at = undefined; length = undefined; }
      else if (typeof length === "string") { name = length; length = undefined; }
      at = at === undefined ? 0 : at;
      var bytes = bytesOf(String(text), name);
      var count = Math.min(bytes.length, this.length - at, length === undefined ? Infinity : length);
      for (var i = 0; i < count; i++) this[at + i] = bytes[i];
      return count;
    }
    swap16() { return swap(this, 2); }
    swap32() { return swap(this, 4); }
    swap64() { return swap(this, 8); }
  }
  function own(list) {
    var buffer = new Buffer(list.length);
    if (list instanceof Uint8Array) {
      buffer.set(list);
      return buffer;
    }
    for (var i = 0; i < list.length; i++) buffer[i] = list[i] & 255;
    return buffer;
  }
  function swap(buffer, size) {
    if (buffer.length % size) throw new RangeError("Buffer size must be a multiple of " + size * 8 + "-bits");
    for (var i = 0; i < buffer.length; i += size) buffer.subarray(i, i + size).reverse();
    return buffer;
  }
  function check(buffer, at, size) {
    if (typeof at !== "number" || at % 1) throw new TypeError("offset must be an integer");
    if (at < 0 || at + size > buffer.length) {
      throw new RangeError("offset " + at + " with " + size + " bytes is outside of the buffer of " + buffer.length);
    }
  }
  function method(name, body) {
    Object.defineProperty(Buffer.prototype, name, { value: body, writable: true, configurable: true });
  }
  function number(name, size, order, aliases) {
    var little = order === "LE";
    function read(at) {
      at = at === undefined ? 0 : at;
      check(this, at, size);
      return new DataView(this.buffer, this.byteOffset, this.byteLength)["get" + name](at, little);
    }
    function write(value, at) {
      at = at === undefined ? 0 : at;
      check(this, at, size);
      new DataView(this.buffer, this.byteOffset, this.byteLength)["set" + name](at, value, little);
      return at + size;
    }
    for (var i = 0; i < aliases.length; i++) {
      method("read" + aliases[i] + order, read);
      method("write" + aliases[i] + order, write);
    }
  }
  number("Int8", 1, "", ["Int8"]);
  number("Uint8", 1, "", ["UInt8", "Uint8"]);
  ["LE", "BE"].forEach(function (order) {
    number("Int16", 2, order, ["Int16"]);
    number("Uint16", 2, order, ["UInt16", "Uint16"]);
    number("Int32", 4, order, ["Int32"]);
    number("Uint32", 4, order, ["UInt32", "Uint32"]);
    number("Float32", 4, order, ["Float"]);
    number("Float64", 8, order, ["Double"]);
    number("BigInt64", 8, order, ["BigInt64"]);
    number("BigUint64", 8, order, ["BigUInt64", "BigUint64"]);
    function read(signed) {
      return function (at, size) {
        check(this, at, size);
        var value = 0;
        for (var i = 0; i < size; i++) value = value * 256 + this[order === "BE" ? at + i : at + size - 1 - i];
        return signed && value >= Math.pow(2, 8 * size - 1) ? value - Math.pow(2, 8 * size) : value;
      };
    }
    function write(value, at, size) {
      check(this, at, size);
      var rest = value < 0 ? value + Math.pow(2, 8 * size) : value;
      for (var i = 0; i < size; i++) {
        this[order === "LE" ? at + i : at + size - 1 - i] = rest % 256;
        rest = Math.floor(rest / 256);
      }
      return at + size;
    }
    method("readInt" + order, read(true));
    ["UInt", "Uint"].forEach(function (name) {
      method("read" + name + order, read(false));
      method("write" + name + order, write);
    });
    method("writeInt" + order, write);
  });
  Object.defineProperty(globalThis, "Buffer", { value: Buffer, writable: true, configurable: true });
})();
