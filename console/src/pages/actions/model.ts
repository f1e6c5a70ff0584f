/** What is done to devices by rules and tasks: the actions of the Project API. */
import { t, type Word } from "@/i18n"
import { formatDuration } from "@/lib/time"

export type ActionKind = "push" | "set" | "command" | "data" | "function" | "report" | "url" | "mqtt" | "ota_check"
export interface CommandAction {
  method: string
  params?: Record<string, unknown>
  id?: number
  wait_ms?: number
}
export interface DataAction {
  identifier: string
  format?: string
  body: unknown
}
export interface Action {
  push?: Record<string, unknown>
  set?: Record<string, unknown>
  command?: CommandAction
  data?: DataAction
  function?: string
  /** What the result of the function is. */
  result?: string
  /** Of a function whose result is custom data, in tasks: the stream. */
  identifier?: string
  report?: { sub_address: string; attributes: Record<string, unknown> }
  url?: string
  secret?: string
  mqtt?: Record<string, unknown> & { url: string; topic: string }
  ota_check?: { version_attribute?: string; module?: string }
  device?: string
  delay_ms?: number
}

export const ACTION_KINDS: readonly ActionKind[] = [
  "push",
  "set",
  "command",
  "data",
  "function",
  "report",
  "url",
  "mqtt",
  "ota_check",
]
export const ACTION_WORDS: Record<ActionKind, Word> = {
  push: "actions.push",
  set: "actions.set",
  command: "actions.command",
  data: "actions.data",
  function: "actions.function",
  report: "actions.report",
  url: "actions.url",
  mqtt: "actions.mqtt",
  ota_check: "actions.otaCheck",
}
export const RESULT_WORDS: Record<string, Word> = {
  push: "actions.push",
  set: "actions.set",
  command: "actions.command",
  data: "actions.data",
  report: "actions.report",
}

/** What the argument of a function is called, by the messages that it is called for. */
const ARGUMENTS: Record<string, string> = {
  before_report: "report_attributes",
  after_report: "report_attributes",
  before_push: "push_attributes",
  after_push: "push_attributes",
  event: "event",
  data: "identifier, data",
}
const BODIES: Record<string, string> = {
  before_report: "  return report_attributes",
  after_report: "  return { fan: report_attributes.temperature > 30 }",
  before_push: "  return push_attributes",
  after_push: "  return {}",
  event: "  return { last_event: event.method }",
  data: "  return { text: data.toString() }",
  task: "  return { fan: true }",
}
export function functionFor(on: string): string {
  return `module.exports = function (${ARGUMENTS[on] ?? ""}) {\n${BODIES[on] ?? ""}\n}\n`
}

export function kindOfAction(action: Action): ActionKind {
  return ACTION_KINDS.find((kind) => action[kind] !== undefined) ?? "push"
}

/** An action of a kind, with the device and the delay of the one before. */
export function newAction(kind: ActionKind, on: string, from: Action = {}): Action {
  const { device, delay_ms } = kind === "function" && on.startsWith("before") ? {} : from
  const kept = { ...(device && { device }), ...(delay_ms && { delay_ms }) }
  const values = from.push ?? from.set ?? from.report?.attributes ?? {}
  const made: Record<ActionKind, () => Action> = {
    push: () => ({ push: values }),
    set: () => ({ set: values }),
    command: () => ({ command: { method: "", params: {} } }),
    data: () => ({ data: { identifier: "stream", format: "json", body: {} } }),
    function: () => ({ function: functionFor(on) }),
    report: () => ({ report: { sub_address: "", attributes: values } }),
    url: () => ({ url: "https://" }),
    mqtt: () => ({ mqtt: { url: "mqtts://", topic: "" } }),
    ota_check: () => ({ ota_check: {} }),
  }
  return { ...made[kind](), ...kept }
}

/** The action in a line: its kind and what is in it. */
export function actionText(action: Action): string {
  const kind = kindOfAction(action)
  const names = (values: Record<string, unknown> = {}) => Object.keys(values).join(", ")
  const detail: Record<ActionKind, () => string> = {
    push: () => names(action.push),
    set: () => names(action.set),
    command: () => action.command?.method ?? "",
    data: () => action.data?.identifier ?? "",
    function: () => (action.result ? t(RESULT_WORDS[action.result] ?? "actions.push") : ""),
    report: () => action.report?.sub_address ?? "",
    url: () => action.url ?? "",
    mqtt: () => action.mqtt?.topic ?? "",
    ota_check: () => action.ota_check?.module ?? "",
  }
  const said = detail[kind]()
  const after = action.delay_ms ? t("actions.after", { time: formatDuration(action.delay_ms) }) : ""
  return `${t(ACTION_WORDS[kind])}${said ? `: ${said}` : ""}${after}`
}
export const actionsText = (actions: readonly Action[]): string => actions.map(actionText).join("; ")
