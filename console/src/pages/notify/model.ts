/** Notification groups: channels, and what became of notices. */
import { get, path, post } from "@/api/client"
import { CHANNEL_KINDS, type ChannelKind } from "@/lib/notices"
import { nowMs, SECOND } from "@/lib/time"

export interface Channel {
  email?: string[]
  webhook?: string
  dingtalk?: string
  wecom?: string
  feishu?: string
  telegram?: { bot_token: string; chat_id: string }
  secret?: string
  bearer_token?: string
  headers?: Record<string, string>
  language?: string
}
export interface NotifyGroup {
  id: string
  name: string
  descr: string
  enabled: boolean
  channels: Channel[]
  version: number
}
export interface NotifyLog {
  notice_id: string
  kind: string
  device_id: string
  rule_id: string
  channel: string
  target: string
  state: string
  message: string
  code?: string
  args?: Record<string, unknown>
  took_ms: number
  ts: number
}
export interface Listed<T> {
  items: T[]
  total: number
  page_total: number
  next_cursor?: string
}

export const HIDDEN = "***"
export const SECRET_KINDS: readonly ChannelKind[] = ["webhook", "dingtalk", "feishu"]

export const kindOf = (channel: Channel): ChannelKind =>
  CHANNEL_KINDS.find((kind) => channel[kind] !== undefined) ?? "webhook"

/** Where a channel leads, without its secrets. */
export function targetOf(channel: Channel): string {
  const kind = kindOf(channel)
  if (kind === "email") return (channel.email ?? []).join(", ")
  return kind === "telegram" ? (channel.telegram?.chat_id ?? "") : (channel[kind] ?? "")
}

/** An empty channel of a kind, that keeps the language. */
export function newChannel(kind: ChannelKind, language?: string): Channel {
  const empty = { email: [], telegram: { bot_token: "", chat_id: "" } }
  const value = kind === "email" || kind === "telegram" ? empty[kind] : ""
  return { [kind]: value, ...(language && { language }) }
}

/** The channel as it is sent: empty optional members are left out. */
export function written(channel: Channel): Channel {
  const made: Channel = { ...channel }
  for (const name of ["secret", "bearer_token", "language"] as const) if (!made[name]) delete made[name]
  if (made.headers && Object.keys(made.headers).length === 0) delete made.headers
  if (made.email) made.email = made.email.map((address) => address.trim()).filter((address) => address !== "")
  return made
}

const TRIES = 12

/** Sends a test over every channel, and tells what came of it as it becomes known; ends when every channel has an end. */
export async function testGroup(id: string, heard: (logs: NotifyLog[]) => void): Promise<void> {
  const begun = nowMs() - SECOND
  const { count } = await post<{ count: number }>(path`/notify_group/${id}/test`)
  for (let turn = 0; turn < TRIES; turn += 1) {
    await new Promise((resolve) => setTimeout(resolve, SECOND))
    const { items } = await get<Listed<NotifyLog>>("/notify_logs", { page_records: 50 })
    const newest = new Map<string, NotifyLog>()
    for (const log of items)
      if (log.kind === "test" && log.ts >= begun && !newest.has(log.notice_id)) newest.set(log.notice_id, log)
    const found = [...newest.values()]
    heard(found)
    if (found.filter((log) => log.state !== "waiting").length >= count) return
  }
}
