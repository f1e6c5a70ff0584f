/** The little of MQTT 3.1.1 that a subscriber with QoS 0 needs (OASIS MQTT 3.1.1, sections 2 and 3). */

const encoder = new TextEncoder()
const decoder = new TextDecoder()

export type Packet =
  | { type: "connack"; code: number }
  | { type: "suback"; id: number; codes: readonly number[] }
  | { type: "publish"; topic: string; payload: Uint8Array }
  | { type: "pingresp" }
  | { type: "other" }

/** A text with its length in front [MQTT-1.5.3]. */
function text(value: string): number[] {
  const bytes = encoder.encode(value)
  return [bytes.length >> 8, bytes.length & 255, ...bytes]
}

function packet(first: number, body: readonly number[]): Uint8Array<ArrayBuffer> {
  const length: number[] = []
  let rest = body.length
  do {
    length.push((rest & 127) | (rest > 127 ? 128 : 0))
    rest >>= 7
  } while (rest > 0)
  return new Uint8Array([first, ...length, ...body])
}

/** CONNECT with a clean session, a user name, and no password: the session of the browser vouches. */
export function connect(username: string, keepAlive: number): Uint8Array<ArrayBuffer> {
  return packet(0x10, [...text("MQTT"), 4, 0x82, keepAlive >> 8, keepAlive & 255, ...text(""), ...text(username)])
}

export function subscribe(id: number, filters: readonly string[]): Uint8Array<ArrayBuffer> {
  return packet(0x82, [id >> 8, id & 255, ...filters.flatMap((filter) => [...text(filter), 0])])
}

export function unsubscribe(id: number, filters: readonly string[]): Uint8Array<ArrayBuffer> {
  return packet(0xa2, [id >> 8, id & 255, ...filters.flatMap(text)])
}

export const PINGREQ = packet(0xc0, [])
export const DISCONNECT = packet(0xe0, [])

function parse(first: number, body: Uint8Array): Packet {
  switch (first >> 4) {
    case 2:
      return { type: "connack", code: body[1] ?? 255 }
    case 3: {
      const length = ((body[0] ?? 0) << 8) | (body[1] ?? 0)
      const after = 2 + length + (first & 6 ? 2 : 0)
      return { type: "publish", topic: decoder.decode(body.subarray(2, 2 + length)), payload: body.subarray(after) }
    }
    case 9:
      return { type: "suback", id: ((body[0] ?? 0) << 8) | (body[1] ?? 0), codes: [...body.subarray(2)] }
    case 13:
      return { type: "pingresp" }
    default:
      return { type: "other" }
  }
}

/** Takes the bytes of a WebSocket, whose frames need not end where packets end. */
export class Reader {
  private pending: Uint8Array = new Uint8Array(0)

  read(chunk: Uint8Array): Packet[] {
    const packets: Packet[] = []
    let data = chunk
    if (this.pending.length > 0) {
      data = new Uint8Array(this.pending.length + chunk.length)
      data.set(this.pending)
      data.set(chunk, this.pending.length)
    }
    let at = 0
    for (;;) {
      const end = packetEnd(data, at)
      if (end === null || end.to > data.length) break
      packets.push(parse(data[at] ?? 0, data.subarray(end.from, end.to)))
      at = end.to
    }
    this.pending = data.slice(at)
    return packets
  }
}

/** Where the body of the packet at `at` begins and ends; null while its length is not all here. */
function packetEnd(data: Uint8Array, at: number): { from: number; to: number } | null {
  let length = 0
  for (let place = 0; place < 4; place += 1) {
    const byte = data[at + 1 + place]
    if (byte === undefined) return null
    length |= (byte & 127) << (7 * place)
    if (byte < 128) return { from: at + 2 + place, to: at + 2 + place + length }
  }
  throw new RangeError("a length of more than four bytes [MQTT-2.2.3]")
}

/** Whether a topic matches a filter; of wildcards `+` and a `#` at the end [MQTT-4.7.1]. */
export function matches(filter: string, topic: string): boolean {
  const wanted = filter.split("/")
  const levels = topic.split("/")
  for (const [index, part] of wanted.entries()) {
    if (part === "#") return true
    if (index >= levels.length || (part !== "+" && part !== levels[index])) return false
  }
  return wanted.length === levels.length
}
