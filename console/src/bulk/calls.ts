/** Changes of many devices: the calls, what comes of them, and how they are taken back. */
import { post } from "@/api/client"
import type { Reason } from "@/api/errors"
import type { Word } from "@/i18n"

export type Action =
  "tags" | "tags_remove" | "type" | "groups" | "groups_remove" | "customer" | "remove" | "command" | "attributes"

export const PATHS: Record<Action, string> = {
  tags: "/devices_tags",
  tags_remove: "/devices_tags_remove",
  type: "/devices_type",
  groups: "/devices_groups",
  groups_remove: "/devices_groups_remove",
  customer: "/devices_customer",
  remove: "/devices_remove",
  command: "/control/devices/command",
  attributes: "/control/devices/attributes",
}
export const ACTION_WORDS: Record<Action, Word> = {
  tags: "bulk.tags",
  tags_remove: "bulk.tagsRemove",
  type: "bulk.type",
  groups: "bulk.groups",
  groups_remove: "bulk.groupsRemove",
  customer: "bulk.customer",
  remove: "bulk.remove",
  command: "bulk.command",
  attributes: "bulk.attributes",
}

/** Which devices: single ones, or all that match a filter, which must be `total`. */
export interface Choice {
  devices?: readonly { id: string; name: string }[]
  filter?: Record<string, unknown>
  total: number
  /** Some of their names. */
  names: readonly string[]
}

export interface BulkItem extends Partial<Reason> {
  id: string
  result: "done" | "unchanged" | "refused"
  before?: unknown
  command?: string
}
export interface BulkInfo {
  total: number
  done: number
  unchanged: number
  refused: number
  items: readonly BulkItem[]
  job?: string
}
type Answer = Partial<BulkInfo> & { total: number }

export const AT_ONCE = 1000 // devices that one call names
const whole = (answer: Answer): BulkInfo => ({ done: 0, unchanged: 0, refused: 0, items: [], ...answer })

function together(first: BulkInfo, second: BulkInfo): BulkInfo {
  return {
    total: first.total + second.total,
    done: first.done + second.done,
    unchanged: first.unchanged + second.unchanged,
    refused: first.refused + second.refused,
    items: [...first.items, ...second.items],
  }
}

/** Changes the devices. Of more than 1,000 that match a filter the answer has the job. */
export async function change(action: Action, what: Record<string, unknown>, choice: Choice): Promise<BulkInfo> {
  if (choice.filter)
    return whole(await post<Answer>(PATHS[action], { ...what, filter: choice.filter, total: choice.total }))
  const ids = (choice.devices ?? []).map(({ id }) => id)
  let info = whole({ total: 0 })
  for (let from = 0; from < ids.length; from += AT_ONCE) {
    const answer = await post<Answer>(PATHS[action], { ...what, devices: ids.slice(from, from + AT_ONCE) })
    info = together(info, whole(answer))
  }
  return info
}

interface Call {
  action: Action
  what: Record<string, unknown>
  devices: string[]
}

/** The calls that take a change back; none where it cannot be. */
export function inverse(action: Action, what: Record<string, unknown>, info: BulkInfo): Call[] {
  const done = info.items.filter((item) => item.result === "done")
  const calls = new Map<string, Call>()
  const add = (id: string, inverted: Action, back: Record<string, unknown>) => {
    const key = JSON.stringify([inverted, back])
    const call = calls.get(key) ?? { action: inverted, what: back, devices: [] }
    call.devices.push(id)
    calls.set(key, call)
  }
  for (const { id, before } of done) {
    if (action === "groups") add(id, "groups_remove", what)
    else if (action === "groups_remove") add(id, "groups", what)
    else if (action === "customer" || action === "type") add(id, action, { [action]: before ?? null })
    else if (action === "tags" || action === "tags_remove") {
      const entries = Object.entries((before ?? {}) as Record<string, string | null>)
      const put = entries.filter(([, value]) => value !== null)
      const gone = entries.filter(([, value]) => value === null).map(([key]) => key)
      if (put.length > 0) add(id, "tags", { tags: Object.fromEntries(put) })
      if (gone.length > 0) add(id, "tags_remove", { keys: gone })
    }
  }
  return [...calls.values()]
}

export async function undo(calls: readonly Call[]): Promise<void> {
  for (const { action, what, devices } of calls)
    await change(action, what, { devices: devices.map((id) => ({ id, name: "" })), total: devices.length, names: [] })
}

/** Refusals by their reason, the most frequent first. */
export function byReason(items: readonly BulkItem[]): { reason: Reason; devices: BulkItem[] }[] {
  const found = new Map<string, { reason: Reason; devices: BulkItem[] }>()
  for (const item of items) {
    if (item.result !== "refused") continue
    const key = `${item.code ?? ""} ${item.message ?? ""}`
    const group = found.get(key) ?? {
      reason: { message: item.message ?? "", code: item.code, args: item.args ?? {} },
      devices: [],
    }
    group.devices.push(item)
    found.set(key, group)
  }
  return [...found.values()].sort((one, other) => other.devices.length - one.devices.length)
}
