/** Message rules as the Project API knows them, and what the editor makes of them. */
import { HIDDEN, SECRETS } from "@/forms/config"
import type { Condition } from "@/lib/conditions"
import type { Action, ActionKind } from "@/pages/actions/model"
import { functionFor } from "@/pages/actions/model"
import type { Kind } from "@/pages/rules/model"

export type On = "before_report" | "after_report" | "before_push" | "after_push" | "event" | "data"
export const ONS: readonly On[] = ["after_report", "before_report", "event", "data", "after_push", "before_push"]

/** What can be written of a rule, as the API has it. */
export interface RuleJson {
  name: string
  descr?: string
  on: On
  type?: string
  devices?: string[]
  enabled?: boolean
  identifier?: string
  if?: Condition
  actions: Action[]
}
export interface MessageRule extends RuleJson {
  id: string
  enabled: boolean
  disabled_devices: string[]
  /** Functions that were switched off because they failed again and again. */
  functions_off?: { action: number; reason: string; ts: number }[]
  create_time: number
  update_time: number
  version: number
}

/** What is edited; the devices are one part of it. */
export interface RuleForm {
  name: string
  descr: string
  on: On
  source: { type?: string; devices?: string[] }
  enabled: boolean
  identifier: string
  if: Condition | null
  actions: Action[]
}
export const FIELDS = [
  "name",
  "descr",
  "on",
  "source",
  "enabled",
  "identifier",
  "if",
  "actions",
] as const satisfies readonly (keyof RuleForm)[]

export function formOf(rule: RuleJson): RuleForm {
  return {
    name: rule.name,
    descr: rule.descr ?? "",
    on: rule.on,
    source: rule.type ? { type: rule.type } : rule.devices?.length ? { devices: rule.devices } : {},
    enabled: rule.enabled !== false,
    identifier: rule.identifier ?? "",
    if: rule.if ?? null,
    actions: rule.actions,
  }
}

/** A copy of a rule: without what the server hides, since no other rule gets it. */
export function copyOf(rule: RuleJson): RuleForm {
  const bare = (value: unknown): unknown =>
    Array.isArray(value)
      ? value.map(bare)
      : typeof value === "object" && value !== null
        ? Object.fromEntries(
            Object.entries(value)
              .filter(([name, inner]) => !(SECRETS.has(name) && inner === HIDDEN))
              .map(([name, inner]) => [name, bare(inner)]),
          )
        : value
  const actions = rule.actions.map((action) =>
    action.url === undefined && action.mqtt === undefined ? action : (bare(action) as Action),
  )
  return { ...formOf(rule), actions, enabled: true }
}
export const hidesSecrets = (rule: RuleJson): boolean =>
  rule.actions.some(({ secret, mqtt }) => secret === HIDDEN || Object.values(mqtt ?? {}).includes(HIDDEN))

/** The shortest JSON that says the same. */
export function jsonOf(form: RuleForm): RuleJson {
  return {
    name: form.name,
    ...(form.descr && { descr: form.descr }),
    on: form.on,
    ...form.source,
    ...(!form.enabled && { enabled: false }),
    ...(form.identifier && { identifier: form.identifier }),
    ...(form.if && { if: form.if }),
    actions: form.actions,
  }
}

/** Changes as the API takes them. */
export function patchOf(changes: Partial<RuleForm> & { version?: number }): Record<string, unknown> {
  const { source, ...rest } = changes
  if (!source) return rest
  return {
    ...rest,
    ...(source.type ? { type: source.type, devices: null } : { type: null, devices: source.devices ?? [] }),
  }
}

/** Shapes of conditions that a message can be judged by. */
export const SHAPES: readonly Kind[] = ["compare", "range", "and", "or", "not"]

/** What a rule may do about such messages. */
export function kindsFor(on: On): readonly ActionKind[] {
  if (on.startsWith("before")) return ["function"]
  const kinds: ActionKind[] = ["push", "set", "command", "data", "function", "report", "url", "mqtt"]
  return on === "event" ? [...kinds, "ota_check"] : kinds
}
/** What the result of a function may be; empty: it takes the place of the message. */
export const resultsFor = (on: On): readonly string[] =>
  on.startsWith("before") ? [] : ["push", "set", "command", "data", "report"]

export const hasCondition = (on: On): boolean => on !== "data"
export const hasIdentifier = (on: On): boolean => on === "event" || on === "data"

/** The same rule about other messages: what has no meaning there goes. */
export function withOn(form: RuleForm, on: On): RuleForm {
  const kinds = kindsFor(on)
  const fit = form.actions.filter((action) => kinds.some((kind) => action[kind] !== undefined))
  const isFunction = (action: Action) =>
    action.function !== undefined && action.function.trim() !== functionFor(form.on).trim()
  // A function that nobody has written in yet is that of the other messages.
  const kept = fit.map((action) =>
    action.function === undefined || isFunction(action) ? action : { ...action, function: functionFor(on) },
  )
  const actions = on.startsWith("before") ? kept.map(({ function: source }) => ({ function: source })) : kept
  return {
    ...form,
    on,
    identifier: hasIdentifier(on) ? form.identifier : "",
    if: hasCondition(on) ? form.if : null,
    actions: actions.length > 0 ? actions : [on.startsWith("before") ? { function: functionFor(on) } : { push: {} }],
  }
}

export interface Statistics {
  seen: number
  matched: number
  outcomes: Record<string, number>
  effects: number
  last_effect_at: number | null
}
export interface Effect {
  action: string
  device_id: string
  outcome: string
  reason?: string
  code?: string
  args?: Record<string, unknown>
  id?: string
  due_at?: number
}
export interface Evaluation {
  ts: number
  device_id: string
  message_id: string
  version: number
  values: Record<string, unknown>
  outcome: string
  detail: string
  effects: Effect[]
}
export interface Trace {
  enabled: boolean
  items: Evaluation[]
}
export interface TestItem {
  ts: number
  values: Record<string, unknown>
  identifier: string
  holds: boolean | null
  outcome: string
  actions: Action[]
  result?: unknown
  detail?: string
  logs?: string[]
}
