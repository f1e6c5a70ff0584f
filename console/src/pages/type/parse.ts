/** A definition as JSON, and back: everything that may be left out is filled in, and what is unknown is named. */
import { t } from "@/i18n"
import {
  CLASS_WORDS,
  DATA_WORDS,
  FORMATS,
  KINDS,
  newEntry,
  newParameter,
  noFunctions,
  type Entry,
  type Functions,
  type Kind,
  type Parameter,
} from "./model"

export type Parsed = { functions: Functions } | { problem: string }
class Wrong extends Error {}

const isObject = (value: unknown): value is Record<string, unknown> =>
  typeof value === "object" && value !== null && !Array.isArray(value)
const CHOICES: Record<string, readonly string[]> = {
  attr_type: Object.keys(CLASS_WORDS),
  data_type: Object.keys(DATA_WORDS),
  format: Object.keys(FORMATS),
}

function fill<T extends object>(given: unknown, empty: T, path: string): T {
  if (!isObject(given)) throw new Wrong(t("types.mustBeObject", { path }))
  const filled = { ...empty } as Record<string, unknown>
  for (const [key, value] of Object.entries(given)) {
    if (key === "processing" && "attr_type" in empty) {
      filled[key] = value // the server checks it
      continue
    }
    if (!(key in empty)) throw new Wrong(t("types.unknownMember", { path: `${path}.${key}` }))
    filled[key] = member(key, value, filled[key], `${path}.${key}`)
  }
  return filled as T
}

function member(key: string, value: unknown, empty: unknown, path: string): unknown {
  if (key === "params" || key === "reply_params")
    return list(value, path).map((one, at) => fill<Parameter>(one, newParameter(), `${path}[${at}]`))
  if (key === "data_options") {
    if (!isObject(value)) throw new Wrong(t("types.mustBeObject", { path }))
    return value
  }
  const choices = CHOICES[key]
  if (choices && !choices.includes(String(value)))
    throw new Wrong(t("types.mustBeOneOf", { path, choices: choices.join(", ") }))
  if (typeof value !== typeof empty) throw new Wrong(t("types.wrongKind", { path }))
  return value
}

function list(value: unknown, path: string): unknown[] {
  if (!Array.isArray(value)) throw new Wrong(t("types.mustBeList", { path }))
  return value
}

/** Of any JSON: a definition, or something that has one as `functions`, such as an exported type. */
export function toFunctions(given: unknown): Parsed {
  const found = isObject(given) && isObject(given.functions) ? given.functions : given
  try {
    if (!isObject(found)) throw new Wrong(t("types.mustBeObject", { path: "functions" }))
    const functions = noFunctions() as unknown as Record<Kind, Entry[]>
    for (const [kind, entries] of Object.entries(found)) {
      if (!(KINDS as readonly string[]).includes(kind)) throw new Wrong(t("types.unknownMember", { path: kind }))
      functions[kind as Kind] = list(entries, kind).map((one, at) =>
        fill(one, newEntry(kind as Kind), `${kind}[${at}]`),
      )
    }
    return { functions: functions as unknown as Functions }
  } catch (error) {
    if (error instanceof Wrong) return { problem: error.message }
    throw error
  }
}

/** Of a text. What is no JSON is told with its line. */
export function parseFunctions(text: string): Parsed {
  let given: unknown
  try {
    given = JSON.parse(text)
  } catch (error) {
    const at = /position (\d+)/.exec(String(error))?.[1]
    const line = at === undefined ? undefined : text.slice(0, Number(at)).split("\n").length
    return { problem: line === undefined ? t("types.notJson") : t("types.notJsonLine", { line }) }
  }
  return toFunctions(given)
}
