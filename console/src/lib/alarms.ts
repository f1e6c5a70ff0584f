/** Alarms as the Project API tells of them, what people do to them, and their words. Instants are ms UTC. */
import { post } from "@/api/client"
import { reasonText, type Reason } from "@/api/errors"
import { t, type Word } from "@/i18n"

export interface Alarm {
  id: string
  device_id: string
  device: { id: string; name: string }
  rule_id: string
  rule_name: string
  alarm_status: number
  alarm_level: number
  raised_at: number
  cleared_at?: number
  clear_reason?: string
  acknowledged_at?: number
  acknowledged_by?: string
  shelved_until?: number
  comments: { text: string; by: string; ts: number }[]
  /** Of the message that raised it. */
  alarm_info: { conditions?: AlarmCondition[]; attributes?: Record<string, unknown> }
}

/** A condition that held, as a message states it. */
export interface AlarmCondition {
  attribute?: string
  op?: string
  value?: unknown
  no_data_ms?: number
  offline_ms?: number
}

interface LevelTotals {
  total: number
  alarm_1_total: number
  alarm_2_total: number
  alarm_3_total: number
}
export interface AlarmsStat {
  open: LevelTotals
  unacknowledged: LevelTotals
  attention_total: number
}

/** What the topic `alarm` tells. */
export interface AlarmNews {
  action: string
  alarm_id: string
  alerting: boolean
}

const REASONS: Record<string, Word> = {
  "the rule was changed": "alarms.ruleChanged",
  "the rule was removed": "alarms.ruleRemoved",
  "the rule was disabled": "alarms.ruleDisabled",
  "the rule was disabled for this device": "alarms.ruleDisabledHere",
  "the rule no longer watches the device": "alarms.ruleLeft",
}
/** Why an alarm was cleared other than by its condition; empty: by that. */
export function clearReason(reason: string | undefined): string {
  if (!reason) return ""
  const by = /^cleared by (.*)$/.exec(reason)
  if (by) return t("alarms.clearedBy", { name: by[1] ?? "" })
  const word = REASONS[reason]
  return word ? t(word) : reason
}

export type AlarmVerb = "acknowledge" | "shelve" | "unshelve" | "clear"

/** Those of a list: by id, or all that a filter means. */
export type Selection = { ids: readonly string[] } | { filter: Record<string, unknown> }

interface Results {
  done: number
  unchanged: number
  refused: number
  remaining: number
  until?: number
  items: (Partial<Reason> & { id: string; result: "done" | "unchanged" | "refused" })[]
}
export interface ManyDone {
  /** The ids of those that were changed. */
  done: string[]
  unchanged: number
  /** With the reason in the reader's words. */
  refused: { id: string; message: string }[]
}

const PER_CALL = 1000

/** Does something to many alarms, call after call. `progress` hears how many are done; `stopped` ends it between calls. */
export async function actOnMany(
  verb: AlarmVerb,
  selection: Selection,
  more: Record<string, unknown> = {},
  progress: (done: number) => void = () => {},
): Promise<ManyDone> {
  const total: ManyDone = { done: [], unchanged: 0, refused: [] }
  const take = (results: Results) => {
    for (const item of results.items) {
      if (item.result === "done") total.done.push(item.id)
      if (item.result === "refused") total.refused.push({ id: item.id, message: reasonText({ message: "", ...item }) })
    }
    progress(total.done.length)
  }
  if ("ids" in selection) {
    for (let begin = 0; begin < selection.ids.length; begin += PER_CALL) {
      const results = await post<Results>(`/alarms_${verb}`, {
        ...more,
        ids: selection.ids.slice(begin, begin + PER_CALL),
      })
      total.unchanged += results.unchanged
      take(results)
    }
    return total
  }
  let members = more
  let first = true
  for (;;) {
    const results: Results = await post(`/alarms_${verb}`, { ...members, filter: selection.filter })
    if (first) total.unchanged = results.unchanged
    first = false
    take(results)
    if (results.remaining === 0 || results.done === 0) return total
    if (results.until !== undefined) members = { ...more, for_ms: undefined, until: results.until }
  }
}
