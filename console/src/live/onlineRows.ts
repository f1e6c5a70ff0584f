/** Rows of devices that follow who is online: those in view are listened to, and a change is painted in place. */
import { onScopeDispose, shallowRef } from "vue"
import type { PagedRows } from "@/table/pagedRows"
import { usePainter } from "./clock"
import { useTopics } from "./connection"

const SOON = 1000

/** Gives what is to be called with the rows in view. */
export function useOnlineRows<T extends { view_token: string; online: boolean }>(
  rows: PagedRows<T>,
): (from: number, to: number) => void {
  const seen = shallowRef<readonly string[]>([])
  const states = new Map<string, boolean>()
  const changed = usePainter(() => {
    rows.patch((row) => ({ ...row, online: states.get(row.view_token) ?? row.online }))
    states.clear()
  })
  // What changed between the reading of rows and the subscription is read once more.
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
    () => seen.value.map((token) => `${token}/online`),
    (payload, topic) => {
      const { online } = JSON.parse(decoder.decode(payload)) as { online: boolean }
      states.set(topic.split("/").at(-2) ?? "", online)
      changed()
    },
    readSoon,
  )
  return (from, to) => {
    const tokens: string[] = []
    for (let index = from; index < to; index += 1) {
      const token = rows.row(index)?.view_token
      if (token) tokens.push(token)
    }
    seen.value = tokens
  }
}
