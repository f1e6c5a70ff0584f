/** Modbus tables of device types, as the Project API knows them. */
import type { Word } from "@/i18n"

export const REGISTER_TYPES = [
  "int16",
  "uint16",
  "int32",
  "uint32",
  "int64",
  "uint64",
  "float32",
  "float64",
  "bcd16",
  "bcd32",
  "text",
  "bit",
] as const
export type RegisterType = (typeof REGISTER_TYPES)[number]
export const ORDERS = ["ABCD", "CDAB", "BADC", "DCBA"] as const
export interface Register {
  attribute: string
  address: number
  type?: RegisterType | null
  order?: (typeof ORDERS)[number]
  scale?: number
  offset?: number
  precision?: number | null
  bit?: number | null
  length?: number
  writable?: boolean
  write_function?: number | null
}
export interface Group {
  unit_id: number
  function: 1 | 2 | 3 | 4
  address: number
  count: number
  name?: string
  interval_ms?: number
  registers: Register[]
}
export interface StreamTable {
  identifier: string
  framing: "rtu" | "tcp"
  timeout_ms?: number
  groups: Group[]
}
export interface Tables {
  streams: StreamTable[]
}
export interface ModbusInfo extends Tables {
  version: number
}
export const FUNCTION_WORDS: Record<Group["function"], Word> = {
  1: "modbus.fn1",
  2: "modbus.fn2",
  3: "modbus.fn3",
  4: "modbus.fn4",
}
export const FUNCTIONS = [1, 2, 3, 4] as const
export const ofBits = (group: Group): boolean => group.function === 1 || group.function === 2
export const typeOf = (group: Group, register: Register): RegisterType =>
  register.type ?? (ofBits(group) ? "bit" : "uint16")

const WIDE: Partial<Record<RegisterType, number>> = {
  int32: 2,
  uint32: 2,
  float32: 2,
  bcd32: 2,
  int64: 4,
  uint64: 4,
  float64: 4,
}
export const widthOf = (group: Group, register: Register): number =>
  register.length || WIDE[typeOf(group, register)] || 1

export const newGroup = (): Group => ({
  unit_id: 1,
  function: 3,
  address: 0,
  count: 10,
  interval_ms: 0,
  registers: [],
})
/** The next register of a group: behind the last one. */
export function newRegister(group: Group, attribute: string): Register {
  const last = group.registers.at(-1)
  const address = last ? last.address + widthOf(group, last) : group.address
  return {
    attribute,
    address,
    ...(ofBits(group) ? {} : { type: last?.type ?? "uint16", order: last?.order ?? "ABCD" }),
  }
}
export const newStream = (taken: readonly StreamTable[]): StreamTable => ({
  identifier: taken.some(({ identifier }) => identifier === "stream") ? `stream_${taken.length + 1}` : "stream",
  framing: "rtu",
  timeout_ms: 1000,
  groups: [newGroup()],
})

interface Told {
  reason: string
  code: string
  args: Record<string, unknown>
}
export interface TestedPart extends Told {
  field: string
  hex: string
}
export interface TestedFrame extends Told {
  offset: number
  hex: string
  unit_id: number
  function: number
  kind: "answer" | "exception" | "confirmed" | "request"
  group: number
  attributes: Record<string, unknown>
  refused: TestedPart[]
}
export interface ModbusTest {
  attributes: Record<string, unknown>
  frames: TestedFrame[]
  unused: TestedPart[]
  rest: string
}
export const FRAME_WORDS: Record<TestedFrame["kind"], Word> = {
  answer: "modbus.answer",
  exception: "modbus.exception",
  confirmed: "modbus.confirmed",
  request: "modbus.requestKind",
}
export interface PolledGroup extends Told {
  index: number
  name: string
  unit_id: number
  function: number
  address: number
  count: number
  interval_ms: number
  asked: number
  answered: number
  timed_out: number
  exceptions: number
  last_ask_at: number
  last_answer_at: number
}
export interface DeviceModbus {
  streams: { identifier: string; polling: boolean; waiting_writes: number; groups: PolledGroup[] }[]
  trace: (Told & { ts: number; identifier: string; direction: "up" | "down"; hex: string; outcome: string })[]
}
export const OUTCOME_WORDS: Record<string, Word> = {
  used: "modbus.outcomeUsed",
  unused: "modbus.outcomeUnused",
  exception: "modbus.exception",
  request: "modbus.requestKind",
  confirmed: "modbus.confirmed",
  asked: "modbus.outcomeAsked",
  writing: "modbus.outcomeWriting",
  no_answer: "modbus.outcomeNoAnswer",
  dropped: "modbus.outcomeDropped",
}
