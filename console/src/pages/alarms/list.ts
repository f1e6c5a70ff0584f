/** The list of alarms: its views and filters live in the address. */
import { get } from "@/api/client"
import { t } from "@/i18n"
import type { Alarm } from "@/lib/alarms"
import { conditionText } from "@/lib/conditions"
import { formatValue } from "@/lib/format"
import type { Page } from "@/table/pagedRows"

export const VIEWS = ["attention", "open", "all"] as const
export type View = (typeof VIEWS)[number]

export interface State {
  view: View
  level: string
  keyword: string
  device: string
  rule: string
  type: string
  group: string
}
const TEXTS = ["level", "keyword", "device", "rule", "type", "group"] as const

export function readState(query: Readonly<Record<string, unknown>>): State {
  const text = (name: string) => (typeof query[name] === "string" ? query[name] : "")
  const view = VIEWS.find((one) => one === query.view) ?? "attention"
  const level = /^[123]$/.test(text("level")) ? text("level") : ""
  const [keyword, device, rule, type, group] = TEXTS.slice(1).map(text) as [string, string, string, string, string]
  return { view, level, keyword, device, rule, type, group }
}

export function addressOf(state: State): Record<string, string | undefined> {
  const texts = Object.fromEntries(TEXTS.map((name) => [name, state[name] || undefined]))
  return { ...texts, view: state.view === "attention" ? undefined : state.view }
}

/** The same as a filter of the server. */
export function filterOf(state: State): Record<string, string | number | boolean> {
  const filter: Record<string, string | number | boolean> = {}
  if (state.view === "attention") filter.attention = true
  if (state.view === "open") filter.status = 1
  if (state.level) filter.level = Number(state.level)
  for (const name of ["keyword", "device", "rule", "type", "group"] as const)
    if (state[name]) filter[name] = state[name]
  return filter
}

/** Whether anything narrows the view. */
export const isFiltered = (state: State): boolean => TEXTS.some((name) => state[name] !== "")

export function readAlarms(
  state: State,
  until: number,
  page: number,
  size: number,
  signal: AbortSignal,
): Promise<Page<Alarm>> {
  const query = { ...filterOf(state), end_time: until || undefined, page, page_records: size }
  return get<Page<Alarm>>("/alarms", query, signal)
}

/** What raised an alarm, in short: the values, otherwise the conditions. */
export function whatText(alarm: Alarm): string {
  const values = Object.entries(alarm.alarm_info.attributes ?? {})
  if (values.length > 0) return values.map(([name, value]) => `${name} = ${formatValue(value)}`).join(", ")
  return (alarm.alarm_info.conditions ?? []).map((one) => conditionText(one)).join(", ") || "—"
}

/** The state of an alarm in words. */
export function stateText(alarm: Alarm, now: number): string {
  const parts = [alarm.alarm_status === 1 ? t("alarms.isOpen") : t("alarms.isOver")]
  if (alarm.acknowledged_at) parts.push(t("alarms.acknowledgedShort", { name: alarm.acknowledged_by ?? "—" }))
  if ((alarm.shelved_until ?? 0) > now) parts.push(t("alarms.shelved"))
  return parts.join(" · ")
}
