/** The rows of the list that are in view follow their devices. */
import { onScopeDispose, shallowRef } from "vue"
import { usePainter } from "@/live/clock"
import { useTopics } from "@/live/connection"
import type { PagedRows } from "@/table/pagedRows"
import { moved, type DeviceRow } from "./list"

const KINDS = ["attributes", "online", "alarm"] as const
// Rows are read again: after an alarm was cleared, since the level that is left is the server's to say, too.
const SOON = 1000
const MOST_WAITING = 5000
type Message = Parameters<typeof moved>[2]

export interface Followed {
  /** Says which rows are in view. */
  look(from: number, to: number): void
}

export function useFollowedRows(rows: PagedRows<DeviceRow>, pinned: () => readonly string[]): Followed {
  const visible = shallowRef<readonly DeviceRow[]>([])
  const waiting: { token: string; kind: string; message: Message }[] = []
  const changed = usePainter(() => {
    const messages = new Map<string, typeof waiting>()
    for (const one of waiting.splice(0)) {
      const mine = messages.get(one.token)
      if (mine) mine.push(one)
      else messages.set(one.token, [one])
    }
    rows.patch((row) =>
      (messages.get(row.view_token) ?? []).reduce((now, { kind, message }) => moved(now, kind, message, pinned()), row),
    )
  })

  let soon: ReturnType<typeof setTimeout> | undefined
  function readSoon(): void {
    soon ??= setTimeout(() => {
      soon = undefined
      rows.refresh()
    }, SOON)
  }
  onScopeDispose(() => clearTimeout(soon))

  const decoder = new TextDecoder()
  useTopics(
    () => visible.value.flatMap((row) => KINDS.map((kind) => `${row.view_token}/${kind}`)),
    (payload, topic) => {
      const [token = "", kind = ""] = topic.split("/").slice(-2)
      let message: Message
      try {
        message = JSON.parse(decoder.decode(payload)) as Message
      } catch {
        return // what is not JSON changes no row
      }
      waiting.push({ token, kind, message })
      if (kind === "alarm" && message.alerting === false) readSoon()
      if (waiting.length > MOST_WAITING) waiting.shift()
      changed()
    },
  )

  return {
    look(from, to) {
      const found: DeviceRow[] = []
      for (let index = from; index < to; index += 1) {
        const row = rows.row(index)
        if (row) found.push(row)
      }
      // What changed between their reading and the subscription is read once more.
      const followed = new Set(visible.value.map(({ id }) => id))
      if (found.some(({ id }) => !followed.has(id))) readSoon()
      visible.value = found
    },
  }
}
