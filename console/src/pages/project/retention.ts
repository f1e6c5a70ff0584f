/** Rules of retention as the Project API has them, and as sentences. */
import { get, path } from "@/api/client"
import { t } from "@/i18n"
import { formatBytes, formatNumber } from "@/lib/format"

export interface Rule {
  device_type?: string
  identifier?: string
  /** 0: for ever. */
  days: number
}
export interface Policy {
  rules: Rule[]
  /** Of history; 0: no limit. */
  max_bytes: number
}
export interface Retention extends Policy {
  default_days: number
  points: number
  size_bytes: number
  oldest_ts: number | null
  version: number
  pending: (Policy & { effective_at: number }) | null
}
export interface WouldDrop {
  points: number
  size_bytes: number
  devices: number
  complete: boolean
}
export type TypeNames = Readonly<Record<string, string>>

export const GB = 1e9

/** The names of the types that rules name. One that is gone keeps its id. */
export async function typeNames(policies: readonly (Policy | null)[], signal: AbortSignal): Promise<TypeNames> {
  const ids = new Set(policies.flatMap((one) => one?.rules.map((rule) => rule.device_type ?? "") ?? []))
  ids.delete("")
  const named = [...ids].map(async (id) => {
    try {
      return [id, (await get<{ name: string }>(path`/device_type/${id}`, {}, signal)).name] as const
    } catch {
      return [id, id] as const
    }
  })
  return Object.fromEntries(await Promise.all(named))
}

/** What a rule is about. */
export function scopeText(rule: Rule, names: TypeNames): string {
  const type = rule.device_type === undefined ? "" : (names[rule.device_type] ?? rule.device_type)
  const identifier = rule.identifier ?? ""
  if (type && identifier) return t("project.ruleBoth", { type, identifier })
  if (type) return t("project.ruleType", { type })
  return identifier ? t("project.ruleIdentifier", { identifier }) : t("project.ruleAll")
}

export function daysText(days: number): string {
  return days === 0 ? t("project.keptForever") : t("project.keptFor", { count: days })
}

export function sizeText(policy: Policy): string {
  return policy.max_bytes ? t("project.sizeMost", { size: formatBytes(policy.max_bytes) }) : t("project.sizeNoLimit")
}

export function dropText(drop: WouldDrop): string {
  if (drop.complete && drop.points === 0) return t("project.wouldDropNothing")
  const numbers = {
    points: formatNumber(drop.points),
    size: formatBytes(drop.size_bytes),
    devices: formatNumber(drop.devices),
  }
  return [t("project.wouldDrop", numbers), ...(drop.complete ? [] : [t("project.incomplete")])].join(" ")
}

/** The rules as they are sent, in the order in which they stand. */
export function sent(policy: Policy): Policy {
  const rules = policy.rules.map((rule) => ({
    ...(rule.device_type ? { device_type: rule.device_type } : {}),
    ...(rule.identifier ? { identifier: rule.identifier } : {}),
    days: rule.days,
  }))
  return { rules, max_bytes: policy.max_bytes }
}
