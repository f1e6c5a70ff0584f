/** Conditions of alarm rules: their shape, and how they read in words. */
import { t, type Word } from "@/i18n"
import { formatNumber } from "@/lib/format"
import { formatDuration } from "@/lib/time"

export interface MapPoint {
  lat: number
  lng: number
}
export interface Condition {
  attribute?: string
  op?: string
  value?: unknown
  deadband?: number
  circle?: { center: MapPoint; radius_m: number }
  polygon?: MapPoint[]
  no_data_ms?: number
  offline_ms?: number
  and?: Condition[]
  or?: Condition[]
  not?: Condition
}

export type NameOf = (identifier: string) => string

const plain: NameOf = (identifier) => identifier
const SIGNS: Record<string, string> = { ">": ">", ">=": "≥", "<": "<", "<=": "≤", "==": "=", "!=": "≠" }

function valueText(value: unknown): string {
  if (typeof value === "number") return formatNumber(value)
  if (typeof value === "string") return `“${value}”`
  return JSON.stringify(value)
}

function list(parts: readonly Condition[], word: Word, name: NameOf): string {
  return parts
    .map((part) => (part.and || part.or ? `(${conditionText(part, name)})` : conditionText(part, name)))
    .join(` ${t(word)} `)
}

/** A condition as a sentence, such as “Temperature > 80”. */
export function conditionText(condition: Condition, name: NameOf = plain): string {
  const { attribute, op, value } = condition
  if (condition.and) return list(condition.and, "rules.and", name)
  if (condition.or) return list(condition.or, "rules.or", name)
  if (condition.not) return t("rules.notText", { condition: conditionText(condition.not, name) })
  if (condition.offline_ms !== undefined) return t("rules.offlineText", { time: formatDuration(condition.offline_ms) })
  if (condition.no_data_ms !== undefined) {
    const time = formatDuration(condition.no_data_ms)
    return attribute ? t("rules.noDataOf", { name: name(attribute), time }) : t("rules.noDataText", { time })
  }
  const named = name(attribute ?? "?")
  if (op === "between" && Array.isArray(value))
    return t("rules.betweenText", { name: named, low: valueText(value[0]), high: valueText(value[1]) })
  if (op === "change")
    return value === undefined
      ? t("rules.changeText", { name: named })
      : t("rules.changeByText", { name: named, value: valueText(value) })
  if (op === "inside" || op === "outside") {
    const area = condition.circle
      ? t("rules.circleText", { radius: formatNumber(condition.circle.radius_m, 0) })
      : t("rules.polygonText", { count: condition.polygon?.length ?? 0 })
    return t(op === "inside" ? "rules.insideText" : "rules.outsideText", { name: named, area })
  }
  const band = condition.deadband ? t("rules.deadbandText", { value: formatNumber(condition.deadband) }) : ""
  return `${named} ${SIGNS[op ?? ""] ?? op ?? "?"} ${valueText(value)}${band}`
}

/** Every condition that is not made of others. */
export function leavesOf(condition: Condition | undefined): Condition[] {
  if (!condition) return []
  if (condition.and) return condition.and.flatMap(leavesOf)
  if (condition.or) return condition.or.flatMap(leavesOf)
  return condition.not ? leavesOf(condition.not) : [condition]
}

/** The numbers at which a condition turns: for lines in a chart. */
export function bounds(condition: Condition): number[] {
  const { op, value } = condition
  if (op === "between" && Array.isArray(value)) return value.filter((one): one is number => typeof one === "number")
  return op && op !== "change" && typeof value === "number" ? [value] : []
}
