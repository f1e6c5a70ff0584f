// As much MQTT 3.1.1 as a subscriber at QoS 0 needs (OASIS MQTT 3.1.1, sections 2 and 3).

const PACKET_BYTES = 16 * 1024 * 1024; // the largest that is taken
const encoder = new TextEncoder();
const decoder = new TextDecoder();

/** A text with its length in front [MQTT-1.5.3]. */
function text(value) {
  const bytes = encoder.encode(value);
  return [bytes.length >> 8, bytes.length & 255, ...bytes];
}

function packet(first, body) {
  const length = [];
  let rest = body.length;
  do {
    length.push((rest & 127) | (rest > 127 ? 128 : 0));
    rest >>= 7;
  } while (rest > 0);
  return new Uint8Array([first, ...length, ...body]);
}

/** CONNECT with a clean session, a user name and, unless it is null, a password. */
export function connect(userName, password, keepAliveS) {
  const flags = password === null ? 0b1000_0010 : 0b1100_0010;
  const header = [...text("MQTT"), 4, flags, keepAliveS >> 8, keepAliveS & 255];
  const secret = password === null ? [] : text(password);
  return packet(0x10, [...header, ...text(""), ...text(userName), ...secret]);
}

export function subscribe(id, filters) {
  return packet(0x82, [id >> 8, id & 255, ...filters.flatMap((filter) => [...text(filter), 0])]);
}

export function unsubscribe(id, filters) {
  return packet(0xa2, [id >> 8, id & 255, ...filters.flatMap(text)]);
}

export const PINGREQ = packet(0xc0, []);
export const DISCONNECT = packet(0xe0, []);

function parse(first, body) {
  switch (first >> 4) {
    case 2:
      return { type: "connack", code: body[1] ?? 255 };
    case 3: {
      const length = (body[0] << 8) | body[1];
      const after = 2 + length + (first & 6 ? 2 : 0);
      return { type: "publish", topic: decoder.decode(body.subarray(2, 2 + length)), payload: body.subarray(after) };
    }
    case 9:
      return { type: "suback", id: (body[0] << 8) | body[1], codes: [...body.subarray(2)] };
    case 13:
      return { type: "pingresp" };
    default:
      return { type: "other" };
  }
}

/** Takes the bytes of a WebSocket, whose frames need not end where packets end. */
export class Reader {
  #pending = new Uint8Array(0);

  /** The packets that are complete now. Throws RangeError if the bytes are no MQTT, or a packet is too large. */
  read(chunk) {
    let data = chunk;
    if (this.#pending.length > 0) {
      data = new Uint8Array(this.#pending.length + chunk.length);
      data.set(this.#pending);
      data.set(chunk, this.#pending.length);
    }
    const packets = [];
    let at = 0;
    for (;;) {
      const body = bodyOf(data, at);
      if (body === null || body.to > data.length) break;
      packets.push(parse(data[at], data.subarray(body.from, body.to)));
      at = body.to;
    }
    this.#pending = data.slice(at);
    return packets;
  }
}

/** Where the body of the packet at `at` begins and ends; null while its length is not all here. */
function bodyOf(data, at) {
  let length = 0;
  for (let place = 0; place < 4; place += 1) {
    const byte = data[at + 1 + place];
    if (byte === undefined) return null;
    length |= (byte & 127) << (7 * place);
    if (length > PACKET_BYTES) break;
    if (byte < 128) return { from: at + 2 + place, to: at + 2 + place + length };
  }
  throw new RangeError("a packet is too large, or its length is malformed [MQTT-2.2.3]");
}

/** Whether a topic matches a filter; of wildcards `+` and a `#` at the end [MQTT-4.7.1]. */
export function matches(filter, topic) {
  const wanted = filter.split("/");
  const levels = topic.split("/");
  for (const [index, part] of wanted.entries()) {
    if (part === "#") return true;
    if (index >= levels.length || (part !== "+" && part !== levels[index])) return false;
  }
  return wanted.length === levels.length;
}
