/** A device type and its function definition, as the Project API tells them. */
import type { Word } from "@/i18n"
import type { AttrType, DataOptions, DataType, Parameter } from "@/pages/device/model"

export type { AttrType, DataOptions, DataType, Parameter }

/** What is done to reported values before they are checked. */
export interface Processing {
  scale?: number
  offset?: number
  precision?: number | null
  coordinates?: { from: string; to: string } | null
  point?: { lat: string; lng: string } | null
  formula?: string | null
}
export interface AttributeEntry extends Parameter {
  attr_type: AttrType
  processing?: Processing
}
export interface EventEntry {
  identifier: string
  name: string
  params: Parameter[]
}
export interface CommandEntry extends EventEntry {
  reply_params: Parameter[]
}
export type StreamFormat = "modbus_rtu" | "modbus_tcp" | "hex" | "json" | "text"
export interface StreamEntry {
  identifier: string
  name: string
  format: StreamFormat
  tcp: boolean
}
export interface Functions {
  attributes: AttributeEntry[]
  events: EventEntry[]
  commands: CommandEntry[]
  streams: StreamEntry[]
}
export type Kind = keyof Functions
export type Entry = AttributeEntry | EventEntry | CommandEntry | StreamEntry
export const KINDS: readonly Kind[] = ["attributes", "events", "commands", "streams"]

export interface TypeItem {
  id: string
  name: string
  descr: string
  tags: Record<string, string>
  create_time: number
  device_count: number
  conn_type: string
  conn_protocol: string
  version?: number
}
export interface TypeDetail extends TypeItem {
  type_key: string
  auto_create: boolean
  functions: Functions
}

export const KIND_WORDS: Record<Kind, Word> = {
  attributes: "types.attributes",
  events: "types.events",
  commands: "types.commands",
  streams: "types.streams",
}
export const CONN_WORDS: Record<string, Word> = {
  "1": "devices.direct",
  "2": "devices.subDevice",
  "3": "devices.gatewayDevice",
}
export const PROTOCOL_WORDS: Record<string, Word> = {
  "1": "types.protocolStandard",
  "2": "types.protocolModbus",
  "9": "types.protocolOther",
}
export const CLASS_WORDS: Record<AttrType, Word> = {
  report: "types.classReport",
  push: "types.classPush",
  both: "types.classBoth",
  cloud: "types.classCloud",
}
export const DATA_WORDS: Record<DataType, Word> = {
  number: "types.number",
  text: "types.text",
  switch: "types.switch",
  enum: "types.enum",
  object: "types.object",
  list: "types.list",
  map_point: "types.mapPoint",
  map_circle: "types.mapCircle",
  map_polygon: "types.mapPolygon",
  daily_timer: "types.dailyTimer",
}
export const FORMATS: Record<StreamFormat, string> = {
  hex: "HEX",
  json: "JSON",
  text: "Text",
  modbus_rtu: "Modbus RTU",
  modbus_tcp: "Modbus TCP",
}

export const noFunctions = (): Functions => ({ attributes: [], events: [], commands: [], streams: [] })
export const newParameter = (): Parameter => ({ identifier: "", name: "", data_type: "number", data_options: {} })

/** An entry without anything, but for what it must have. */
export function newEntry(kind: Kind): Entry {
  if (kind === "attributes") return { ...newParameter(), attr_type: "report" }
  if (kind === "events") return { identifier: "", name: "", params: [] }
  if (kind === "commands") return { identifier: "", name: "", params: [], reply_params: [] }
  return { identifier: "", name: "", format: "hex", tcp: false }
}

/** Values in a form in which equal ones are equal texts. */
export function canonical(value: unknown): string {
  return JSON.stringify(value, (_key, inner: unknown) =>
    inner && typeof inner === "object" && !Array.isArray(inner)
      ? Object.fromEntries(Object.entries(inner).sort(([a], [b]) => (a < b ? -1 : 1)))
      : inner,
  )
}
export const same = (one: unknown, other: unknown): boolean => canonical(one) === canonical(other)
