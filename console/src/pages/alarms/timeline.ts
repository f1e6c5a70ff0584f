/** The life of an alarm in order: raised, changed, told, acknowledged, commented, cleared. */
import { get, path } from "@/api/client"
import type { Alarm, AlarmCondition } from "@/lib/alarms"

interface NoticeLog {
  channel: string
  target: string
  state: string
  message: string
  code?: string
  args?: Record<string, unknown>
  ts: number
}
interface Message {
  id: string
  alarm_id: string
  alarm_status: number
  alarm_level: number
  alarm_info: { reason?: string; attributes?: Record<string, unknown>; conditions?: AlarmCondition[] }
  ts: number
  create_time: number
  notify_logs: NoticeLog[]
}

interface Change {
  ts: number
  level: number
  reason?: string
  values: Record<string, unknown>
}
export type Step =
  | (Change & { kind: "raise" })
  | (Change & { kind: "level" })
  | (Change & { kind: "clear" })
  /** The last of the attempts to tell somebody of one message. */
  | { kind: "notice"; ts: number; log: NoticeLog; attempts: number }
  | { kind: "acknowledge"; ts: number; by: string }
  | { kind: "comment"; ts: number; by: string; text: string }

export interface Life {
  alarm: Alarm
  steps: Step[]
  /** How many messages are not among them. */
  left: number
}

const MESSAGES = 100

export async function readLife(id: string, signal: AbortSignal): Promise<Life> {
  const alarm = await get<Alarm>(path`/alarm/${id}`, {}, signal)
  const messages = await get<{ items: Message[]; total: number }>(
    "/alarm_logs",
    { alarm: alarm.id, page_records: MESSAGES },
    signal,
  )
  return { alarm, steps: stepsOf(alarm, messages.items), left: messages.total - messages.items.length }
}

function noticesOf(message: Message): Step[] {
  const byTarget = new Map<string, NoticeLog[]>()
  for (const log of message.notify_logs) {
    const key = `${log.channel} ${log.target}`
    byTarget.set(key, [...(byTarget.get(key) ?? []), log])
  }
  return [...byTarget.values()].flatMap((logs): Step[] => {
    const log = logs.at(-1)
    return log ? [{ kind: "notice", ts: log.ts, log, attempts: logs.length }] : []
  })
}

export function stepsOf(alarm: Alarm, messages: readonly Message[]): Step[] {
  const steps: Step[] = messages.flatMap((message): Step[] => [
    {
      kind: message.alarm_status === 0 ? "clear" : message.id === message.alarm_id ? "raise" : "level",
      ts: message.ts,
      level: message.alarm_level,
      reason: message.alarm_info.reason,
      values: message.alarm_info.attributes ?? {},
    },
    ...noticesOf(message),
  ])
  if (alarm.acknowledged_at)
    steps.push({ kind: "acknowledge", ts: alarm.acknowledged_at, by: alarm.acknowledged_by ?? "—" })
  for (const { ts, by, text } of alarm.comments) steps.push({ kind: "comment", ts, by, text })
  return steps.sort((a, b) => b.ts - a.ts)
}
