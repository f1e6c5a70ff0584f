/** Rates of messages: what the overview reads of them, and how they are drawn. Instants in ms. */
import { get } from "@/api/client"
import { DAY, HOUR, MINUTE, nowMs } from "@/lib/time"

export interface StatItem {
  ts: number
  up_attributes: number
  up_events: number
  up_replies: number
  up_data: number
  refused: number
  down_attributes: number
  down_commands: number
  down_data: number
  points: number
  alarms_raised: number
  alarms_cleared: number
  online_max: number
  online_min: number
}
interface Stat {
  interval_ms: number
  items: StatItem[]
}

export const SPANS = {
  "1h": { length: HOUR, interval: "1m" },
  "24h": { length: DAY, interval: "15m" },
  "7d": { length: 7 * DAY, interval: "2h" },
  "30d": { length: 30 * DAY, interval: "6h" },
} as const
export type SpanName = keyof typeof SPANS
export const spanOf = (text: unknown): SpanName =>
  typeof text === "string" && text in SPANS ? (text as SpanName) : "24h"

/** A span of time with its messages a minute. */
export interface Rate {
  from: number
  to: number
  up: number
  down: number
  refused: number
  onlineMax: number
  onlineMin: number
}

/** Messages a minute. Of the span that is not over, those of the minutes that are. */
export function ratesOf(items: readonly StatItem[], interval: number, now: number): Rate[] {
  const rates = items.map((item) => {
    const minutes = Math.max(1, Math.floor(Math.min(interval, now - item.ts) / MINUTE))
    return {
      from: item.ts,
      to: item.ts + interval,
      up: (item.up_attributes + item.up_events + item.up_replies + item.up_data) / minutes,
      down: (item.down_attributes + item.down_commands + item.down_data) / minutes,
      refused: item.refused / minutes,
      onlineMax: item.online_max,
      onlineMin: item.online_min,
    }
  })
  // The minute that runs is not counted yet, and of a longer span that just began no minute is.
  return rates.filter(({ from }) => now - from >= MINUTE)
}

export async function readRates(span: SpanName, signal: AbortSignal): Promise<Rate[]> {
  const now = nowMs()
  const { length, interval } = SPANS[span]
  const stat = await get<Stat>("/message_stat", { start_time: now - length, interval }, signal)
  return ratesOf(stat.items, stat.interval_ms, now)
}

/** Messages in the last whole minute, both ways and refused ones. */
export async function readPresentRate(signal: AbortSignal): Promise<number> {
  const now = nowMs()
  const stat = await get<Stat>("/message_stat", { start_time: now - 3 * MINUTE, interval: "1m" }, signal)
  const last = ratesOf(stat.items, MINUTE, now).at(-2) // the newest may just be about to be written
  return last ? last.up + last.down + last.refused : 0
}

/** A round number that is not below, as the end of an axis. */
export function roundUp(value: number): number {
  if (value <= 0) return 1
  const power = 10 ** Math.floor(Math.log10(value))
  return [1, 2, 2.5, 5, 10].map((step) => step * power).find((step) => step >= value) ?? 10 * power
}

export interface Storage {
  points: number
  bytes: number
  oldest: number | null
  /** Known to administrators alone. */
  disk?: { free: number; daysLeft: number | null }
}
interface Server {
  disk_free_bytes: number
  low_disk_bytes: number
  history_points: number
  history_bytes: number
  history_oldest_ts: number | null
}

/** How many days the disk lasts if as much is stored a day as in the last one; null where that cannot be said. */
export function daysLeft(server: Server, pointsOfDay: number): number | null {
  if (server.history_points === 0 || pointsOfDay === 0) return null
  const bytesOfDay = (pointsOfDay * server.history_bytes) / server.history_points
  return Math.max(0, (server.disk_free_bytes - server.low_disk_bytes) / bytesOfDay)
}

export async function readStorage(admin: boolean, signal: AbortSignal): Promise<Storage> {
  if (!admin) {
    const info = await get<{ points: number; size_bytes: number; oldest_ts: number | null }>("/retention", {}, signal)
    return { points: info.points, bytes: info.size_bytes, oldest: info.oldest_ts }
  }
  const [server, stat] = await Promise.all([
    get<Server>("/server", {}, signal),
    get<Stat>("/message_stat", { interval: "1h" }, signal),
  ])
  const points = stat.items.reduce((sum, item) => sum + item.points, 0)
  return {
    points: server.history_points,
    bytes: server.history_bytes,
    oldest: server.history_oldest_ts,
    disk: { free: server.disk_free_bytes, daysLeft: daysLeft(server, points) },
  }
}
