/** What stands in the field of a value while it is edited, and the value that comes of it. */
import type { Word } from "@/i18n"
import type { DataOptions, DataType } from "./model"

export interface Draft {
  text: string
  /** Of a place: the second number. */
  second: string
}
export type Parsed = { value: unknown } | { wrong: Word }

/** Types that have fields of their own; all others are edited as JSON. */
const asJson = (type: DataType) =>
  type === "object" || type === "list" || type === "map_circle" || type === "map_polygon" || type === "daily_timer"

export function toDraft(value: unknown, type: DataType): Draft {
  if (type === "map_point") {
    const { lat, lng } = (value ?? {}) as { lat?: unknown; lng?: unknown }
    return { text: typeof lat === "number" ? String(lat) : "", second: typeof lng === "number" ? String(lng) : "" }
  }
  if (value === null || value === undefined) return { text: "", second: "" }
  const plain = typeof value === "string" && !asJson(type) && type !== "enum"
  return { text: plain ? value : JSON.stringify(value, null, asJson(type) ? 2 : undefined), second: "" }
}

function parseNumber(text: string): number | null {
  const number = Number(text.trim().replace(",", "."))
  return text.trim() !== "" && Number.isFinite(number) ? number : null
}

function parseJson(text: string): Parsed {
  try {
    return { value: JSON.parse(text) as unknown }
  } catch {
    return { wrong: "attributes.wrongJson" }
  }
}

function parsePlace(draft: Draft): Parsed {
  const [lat, lng] = [parseNumber(draft.text), parseNumber(draft.second)]
  const fits = lat !== null && lng !== null && Math.abs(lat) <= 90 && Math.abs(lng) <= 180
  return fits ? { value: { lat, lng } } : { wrong: "attributes.wrongPlace" }
}

/** The value of a draft; the server checks it against the definition once more. */
export function fromDraft(draft: Draft, type: DataType, options: DataOptions = {}): Parsed {
  if (type === "text") return { value: draft.text }
  if (type === "map_point") return parsePlace(draft)
  if (type !== "number") return draft.text === "" ? { wrong: "attributes.wrongEmpty" } : parseJson(draft.text)
  const number = parseNumber(draft.text)
  if (number === null) return { wrong: "attributes.wrongNumber" }
  if (options.min !== undefined && number < options.min) return { wrong: "attributes.wrongRange" }
  if (options.max !== undefined && number > options.max) return { wrong: "attributes.wrongRange" }
  return { value: number }
}
