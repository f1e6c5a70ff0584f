/** Alarm rules as the Project API knows them, and what the editor makes of them. */
import { get, path } from "@/api/client"
import type { Reason } from "@/api/errors"
import { leavesOf, type Condition } from "@/lib/conditions"
import { HOUR, MINUTE } from "@/lib/time"
import type { AttrType, DataOptions, DataType } from "@/pages/device/model"

export interface Level {
  level: number
  raise: Condition
  clear?: Condition
}
export interface Hours {
  days?: number[]
  from: string
  to: string
}
export interface Schedule {
  timezone?: string
  hours: Hours[]
}
export type Channel = Record<string, unknown> & { group?: string }

/** What can be written of a rule. */
export interface RuleForm {
  name: string
  descr?: string
  type?: string
  devices?: string[]
  enabled?: boolean
  level?: number
  raise?: Condition
  clear?: Condition
  levels?: Level[]
  raise_delay_ms?: number
  clear_delay_ms?: number
  raise_count?: number
  clear_count?: number
  cool_down_ms?: number
  schedule?: Schedule
  notify?: Channel[]
}
export interface Rule extends RuleForm {
  id: string
  enabled: boolean
  disabled_devices: string[]
  failing: string
  /** Of `failing`, with the values in its text. */
  failing_code?: string
  failing_args?: Record<string, unknown>
  create_time: number
  version: number
  open_total?: number
  raised_last_day?: number
}

/** Why a rule cannot be evaluated. */
export const failingOf = (of: Pick<Rule, "failing" | "failing_code" | "failing_args">): Reason => ({
  message: of.failing,
  code: of.failing_code,
  args: of.failing_args,
})

export const MEMBERS = [
  "name",
  "descr",
  "type",
  "devices",
  "enabled",
  "level",
  "raise",
  "clear",
  "levels",
  "raise_delay_ms",
  "clear_delay_ms",
  "raise_count",
  "clear_count",
  "cool_down_ms",
  "schedule",
  "notify",
] as const satisfies readonly (keyof RuleForm)[]
/** What a member is where it is left out. */
const DEFAULTS: RuleForm = {
  name: "",
  descr: "",
  type: "",
  devices: [],
  enabled: true,
  raise_delay_ms: 0,
  clear_delay_ms: 0,
  raise_count: 1,
  clear_count: 1,
  cool_down_ms: 0,
  notify: [],
}

const isDefault = (name: keyof RuleForm, value: unknown) =>
  value === undefined || value === null || JSON.stringify(value) === JSON.stringify(DEFAULTS[name])

/** The form of a rule, without what it would be anyway: the shortest JSON that says the same. */
export function formOf(rule: RuleForm): RuleForm {
  const members = MEMBERS.filter((name) => name === "name" || !isDefault(name, rule[name])).map((name) => [
    name,
    rule[name],
  ])
  return Object.fromEntries(members) as unknown as RuleForm
}

/** The body that makes the stored rule this form: what is left out of it goes back to what it would be anyway. */
export function patchOf(form: RuleForm): Record<string, unknown> {
  const flat = !form.levels
  const body: Record<string, unknown> = { ...DEFAULTS, level: 1, clear: null, schedule: null, levels: null, ...form }
  if (!flat) for (const name of ["level", "raise", "clear"]) delete body[name]
  else delete body.levels
  if (form.type) delete body.devices
  else delete body.type
  return body
}

/** Whether a change clears open alarms: anything that evaluation depends on is another. */
export function reevaluates(before: RuleForm, after: RuleForm): boolean {
  const parts = (form: RuleForm) =>
    JSON.stringify(
      MEMBERS.filter((name) => !["name", "descr", "enabled", "notify"].includes(name)).map(
        (name) => form[name] ?? DEFAULTS[name] ?? null,
      ),
    )
  return parts(before) !== parts(after)
}

/** The levels of a rule, whichever way it states them, the highest first. */
export function levelsOf(form: RuleForm): Level[] {
  const levels = form.levels ?? (form.raise ? [{ level: form.level ?? 1, raise: form.raise, clear: form.clear }] : [])
  return [...levels].sort((a, b) => b.level - a.level)
}

export function attributesOf(form: RuleForm): string[] {
  const leaves = levelsOf(form).flatMap(({ raise, clear }) => [...leavesOf(raise), ...leavesOf(clear)])
  return [...new Set(leaves.flatMap(({ attribute }) => (attribute ? [attribute] : [])))]
}

/** An attribute that a rule can read. */
export interface Readable {
  identifier: string
  name: string
  data_type: DataType
  data_options: DataOptions
  attr_type?: AttrType
}

interface TypeInfo {
  functions: { attributes: Readable[] }
}
interface Current {
  identifier: string
  data_type: DataType
  model?: { name: string; attr_type: AttrType; data_options: DataOptions }
}

/** The attributes of the source: those of its type, or those of its first device. */
export async function readReadable(form: RuleForm, signal: AbortSignal): Promise<Readable[]> {
  if (form.type) return (await get<TypeInfo>(path`/device_type/${form.type}`, {}, signal)).functions.attributes
  const device = form.devices?.[0]
  if (!device) return []
  const found = await get<Current[]>(path`/device/${device}/attributes`, {}, signal)
  return found.map(({ identifier, data_type, model }) => ({
    identifier,
    name: model?.name ?? "",
    data_type,
    data_options: model?.data_options ?? {},
    attr_type: model?.attr_type,
  }))
}

export type Kind = "compare" | "range" | "change" | "noData" | "offline" | "place" | "and" | "or" | "not"
export const KINDS: readonly Kind[] = ["compare", "range", "change", "noData", "offline", "place", "and", "or", "not"]

/** Which of the editor's shapes a condition has. */
export function kindOf(condition: Condition): Kind {
  if (condition.and) return "and"
  if (condition.or) return "or"
  if (condition.not?.op === "between") return "range"
  if (condition.not) return "not"
  if (condition.offline_ms !== undefined) return "offline"
  if (condition.no_data_ms !== undefined) return "noData"
  if (condition.op === "change") return "change"
  if (condition.op === "inside" || condition.op === "outside") return "place"
  return condition.op === "between" ? "range" : "compare"
}

/** A condition of another shape that keeps what it can of the present one. */
export function changedTo(kind: Kind, from: Condition): Condition {
  const [first] = leavesOf(from)
  const attribute = first?.attribute ?? ""
  const made: Record<Kind, () => Condition> = {
    compare: () => ({ attribute, op: ">", value: typeof first?.value === "number" ? first.value : 0 }),
    range: () => ({ not: { attribute, op: "between", value: [0, 100] } }),
    change: () => ({ attribute, op: "change" }),
    noData: () => ({ ...(attribute && { attribute }), no_data_ms: 10 * MINUTE }),
    offline: () => ({ offline_ms: 10 * MINUTE }),
    place: () => ({ attribute, op: "outside", circle: { center: { lat: 0, lng: 0 }, radius_m: 500 } }),
    and: () => ({ and: [...(from.or ?? [from])] }),
    or: () => ({ or: [...(from.and ?? [from])] }),
    not: () => ({ not: from }),
  }
  return made[kind]()
}

/** How deep conditions stand in one another. */
export function depthOf(condition: Condition): number {
  const inner = [...(condition.and ?? []), ...(condition.or ?? []), ...(condition.not ? [condition.not] : [])]
  return 1 + Math.max(0, ...inner.map(depthOf))
}
export const DEEPEST = 8

/** The frequent shapes, to begin with. */
export const TEMPLATES = {
  limit: { raise: { attribute: "", op: ">", value: 80 }, clear: { attribute: "", op: "<", value: 75 } },
  range: { raise: { not: { attribute: "", op: "between", value: [0, 100] } } },
  noData: { raise: { no_data_ms: 10 * MINUTE } },
  offline: { raise: { offline_ms: 10 * MINUTE } },
  change: { raise: { attribute: "", op: "change", value: 10 } },
  place: { raise: { attribute: "", op: "outside", circle: { center: { lat: 0, lng: 0 }, radius_m: 500 } } },
} satisfies Record<string, Pick<RuleForm, "raise" | "clear">>
export type Template = keyof typeof TEMPLATES

/** The same condition with an attribute where none is chosen yet. */
export function withAttribute(condition: Condition, identifier: string): Condition {
  if (condition.and) return { and: condition.and.map((one) => withAttribute(one, identifier)) }
  if (condition.or) return { or: condition.or.map((one) => withAttribute(one, identifier)) }
  if (condition.not) return { not: withAttribute(condition.not, identifier) }
  return condition.attribute === "" ? { ...condition, attribute: identifier } : condition
}

export const LONGEST = 30 * 24 * HOUR
