/** Messages of a device, live and of its log, in one form. */
import type { Reason } from "@/api/errors"
import type { Command, ConnectionChange, DeviceEvent, Rejected } from "../model"

export type Direction = "up" | "down"
export const KINDS = ["attributes", "event", "command", "data", "connection", "other"] as const
export type Kind = (typeof KINDS)[number]
export const OUTCOMES = [
  "accepted",
  "partly",
  "refused",
  "delivered",
  "queued",
  "dropped",
  "no_session",
  "online",
  "offline",
  "missed",
] as const
export type Outcome = (typeof OUTCOMES)[number]

export interface Problem extends Reason {
  field: string
}

export interface Message {
  /** Unique on the page. */
  key: number
  ts: number
  direction: Direction
  plane: string
  topic: string
  kind: Kind
  payload: string
  encoding: "text" | "hex"
  cut: boolean
  sizeBytes: number
  qos: number | null
  outcome: Outcome
  errors: readonly Problem[]
  tookUs: number | null
  /** How many before it were not told. */
  suppressed: number
}

/** What the topic `trace` tells. */
export interface Traced {
  direction: Direction
  plane: string
  topic: string
  payload: string
  encoding: "text" | "hex"
  cut: boolean
  size_bytes: number
  qos: number | null
  outcome: Outcome
  errors: Problem[]
  took_us: number
  suppressed: number
  ts: number
}

/** An entry of `message_logs`. */
export interface Logged {
  ts: number
  kind: "event" | "command" | "data" | "connection" | "rejected"
  event?: DeviceEvent
  command?: Command
  data?: { identifier: string; direction: Direction; size_bytes: number; payload: string }
  connection?: ConnectionChange
  rejected?: Rejected
}

export interface LogPage {
  items: Logged[]
  next_before?: string
}

let keys = 0

export function kindOf(topic: string): Kind {
  const levels = topic.split("/")
  const first = levels[0] === "gateway" ? levels[1] : levels[0]
  if (first === "attributes" || first === "event" || first === "command" || first === "data") return first
  if (first === "connect" || first === "disconnect" || first === "log-in" || first === "subscribe") return "connection"
  return "other"
}

export function fromTrace(traced: Traced): Message {
  const { size_bytes, took_us, ...same } = traced
  return { ...same, key: (keys += 1), kind: kindOf(traced.topic), sizeBytes: size_bytes, tookUs: took_us }
}

const NOTHING = { plane: "", cut: false, encoding: "text", qos: null, tookUs: null, suppressed: 0, errors: [] } as const

/** A payload of a log, which is `hex:` and digits where it is no text. */
function excerpt(payload: string): Pick<Message, "payload" | "encoding"> {
  return payload.startsWith("hex:") ? { payload: payload.slice(4), encoding: "hex" } : { payload, encoding: "text" }
}

export function fromConnection(change: Pick<ConnectionChange, "ts" | "online" | "reason" | "code" | "args">): Message {
  const { ts, online, reason, code, args } = change
  const topic = online ? "connect" : "disconnect"
  return {
    ...NOTHING,
    key: (keys += 1),
    ts,
    topic,
    direction: "up",
    kind: "connection",
    payload: "",
    sizeBytes: 0,
    outcome: online ? "online" : "offline",
    errors: [{ field: "", message: reason, code, args }],
  }
}

/** The page itself was not connected for a while. */
export function gap(ts: number): Message {
  const same = { ...NOTHING, key: (keys += 1), ts, payload: "", sizeBytes: 0 }
  return { ...same, topic: "gap", direction: "up", kind: "connection", outcome: "missed" }
}

const STATES = {
  queued: "queued",
  sent: "delivered",
  delivered: "delivered",
  replied: "delivered",
  failed: "dropped",
  expired: "dropped",
} as const

export function fromLog(logged: Logged): Message {
  const { event, command, data, connection, rejected, ts } = logged
  const same = { ...NOTHING, key: (keys += 1), ts }
  if (connection) return fromConnection(connection)
  if (event) {
    const payload = JSON.stringify({ method: event.method, params: event.params })
    return {
      ...same,
      topic: "event/report",
      kind: "event",
      direction: "up",
      payload,
      sizeBytes: 0,
      outcome: "accepted",
    }
  }
  if (command) {
    const payload = JSON.stringify({ method: command.method, params: command.params, id: command.command_id })
    const errors = command.reason
      ? [{ field: "", message: command.reason, code: command.code, args: command.args }]
      : []
    const topic = `command/send/${command.command_id}`
    const outcome = STATES[command.state]
    return { ...same, topic, kind: "command", direction: "down", payload, sizeBytes: 0, outcome, errors }
  }
  if (data) {
    const up = data.direction === "up"
    const topic = `data/${data.identifier}${up ? "" : "/set"}`
    const outcome = up ? "accepted" : "delivered"
    const found = excerpt(data.payload)
    return { ...same, ...found, topic, kind: "data", direction: data.direction, sizeBytes: data.size_bytes, outcome }
  }
  const entry = rejected ?? { topic: "", payload: "", errors: [], reason: "", suppressed: 0, ts }
  const errors = entry.errors.length > 0 ? entry.errors : [{ ...entry, field: "", message: entry.reason }]
  return {
    ...same,
    ...excerpt(entry.payload),
    topic: entry.topic,
    kind: kindOf(entry.topic),
    direction: "up",
    sizeBytes: 0,
    outcome: "refused",
    errors,
    suppressed: entry.suppressed,
  }
}

/** The newest messages, up to a limit; older ones fall out. */
export class Ring {
  private items: Message[] = []
  /** How many have come in all. */
  came = 0

  constructor(private readonly limit: number) {}

  add(message: Message): void {
    this.came += 1
    this.items.push(message)
    if (this.items.length > 1.5 * this.limit) this.items = this.items.slice(-this.limit)
  }

  clear(): void {
    this.items = []
  }

  /** Newest first. */
  newest(): Message[] {
    return this.items.slice(-this.limit).reverse()
  }
}

export interface Filter {
  kinds: ReadonlySet<Kind>
  outcomes: ReadonlySet<Outcome>
  text: string
}

/** Whether a message is wanted. An empty set lets everything pass; the text is looked for in topic and payload. */
export function passes(message: Message, { kinds, outcomes, text }: Filter): boolean {
  if (kinds.size > 0 && !kinds.has(message.kind)) return false
  if (outcomes.size > 0 && !outcomes.has(message.outcome)) return false
  const wanted = text.trim().toLowerCase()
  return !wanted || message.topic.toLowerCase().includes(wanted) || message.payload.toLowerCase().includes(wanted)
}

export type View = "json" | "text" | "hex"

function bytesOf(message: Message): Uint8Array {
  if (message.encoding === "text") return new TextEncoder().encode(message.payload)
  return Uint8Array.from(message.payload.match(/../g) ?? [], (pair) => parseInt(pair, 16))
}

function isJson(text: string): boolean {
  try {
    JSON.parse(text)
    return true
  } catch {
    return false
  }
}

/** In which forms a payload can be shown; the first one is the best. */
export function viewsOf(message: Message): View[] {
  if (message.encoding === "hex") return ["hex"]
  return isJson(message.payload) ? ["json", "text", "hex"] : ["text", "hex"]
}

/** A payload in one form. */
export function shown(message: Message, view: View): string {
  if (view === "json") return JSON.stringify(JSON.parse(message.payload), null, 2)
  if (view === "text") return message.payload
  const bytes = [...bytesOf(message)]
  const lines: string[] = []
  for (let at = 0; at < bytes.length; at += 16) {
    const row = bytes.slice(at, at + 16)
    const digits = row.map((byte) => byte.toString(16).padStart(2, "0")).join(" ")
    const letters = row.map((byte) => (byte >= 32 && byte < 127 ? String.fromCharCode(byte) : "·")).join("")
    lines.push(`${at.toString(16).padStart(4, "0")}  ${digits.padEnd(47)}  ${letters}`)
  }
  return lines.join("\n")
}

/** One JSON object a line, oldest first. */
export function toNdjson(messages: readonly Message[]): string {
  return [...messages]
    .reverse()
    .map((message) => `${JSON.stringify({ ...message, key: undefined })}\n`)
    .join("")
}
