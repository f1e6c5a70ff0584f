/** What somebody set up, changed or removed in the project, as the topic `$project/changed` tells it. */
import { onScopeDispose, shallowRef, type ShallowRef } from "vue"
import { session } from "@/api/session"
import { useTopics } from "./connection"

export interface Change {
  kind: string
  id: string
  /** Afterwards; 0: it has none, or was removed. */
  version: number
  action: string
  by: string
  ts: number
}

/** At most one reading a second, however fast things change. */
const PAUSE = 1000
/** Actions by which rows come, go or change their place; others change them where they stand. */
const MOVING = new Set(["create", "remove"])
const POINTED = "[role=row]:hover, [role=treeitem]:hover, tbody tr:hover"
const decoder = new TextDecoder()

/** Calls `changed` for each change of the project, and `followed` when those before it may have been missed. */
function listen(changed: (change: Change) => void, wanted: () => boolean = () => true, followed?: () => void): void {
  useTopics(
    () => (wanted() ? ["$project/changed"] : []),
    (payload) => {
      try {
        changed(JSON.parse(decoder.decode(payload)) as Change)
      } catch {
        // No message of a server that we know.
      }
    },
    followed,
  )
}

/** Whether the pointer is upon a row, which must not move away from under it. */
const pointed = () => window.matchMedia("(hover: hover)").matches && document.querySelector(POINTED) !== null

/**
 * Calls `changed` soon after something of these kinds was changed: once for all that came within a second, and only while
 * the page is seen. What moves rows waits until the pointer has left them. `begun` is called when the server has begun to
 * tell: what was read before may have been changed since.
 */
export function useChanges(kinds: readonly string[], changed: () => void, begun: () => void = changed): void {
  let soon: ReturnType<typeof setTimeout> | undefined
  let waiting = false
  let moving = false
  function tell(): void {
    soon = undefined
    if (document.hidden) return // until it is seen again
    if (moving && pointed()) {
      soon = setTimeout(tell, PAUSE)
      return
    }
    waiting = moving = false
    changed()
  }
  function seen(): void {
    if (waiting && soon === undefined && !document.hidden) tell()
  }
  listen(
    ({ kind, action }) => {
      if (!kinds.includes(kind)) return
      waiting = true
      moving ||= MOVING.has(action)
      soon ??= setTimeout(tell, PAUSE)
    },
    undefined,
    begun,
  )
  document.addEventListener("visibilitychange", seen)
  onScopeDispose(() => {
    clearTimeout(soon)
    document.removeEventListener("visibilitychange", seen)
  })
}

/** The last change of one thing by somebody else, for who is editing it; null: there was none. */
export function useOthersChange(
  kind: () => string | undefined,
  id: () => string | undefined,
): Readonly<ShallowRef<Change | null>> {
  const last = shallowRef<Change | null>(null)
  listen(
    (change) => {
      const mine = change.by === session.value?.admin.account
      if (change.kind === kind() && change.id === id() && !mine) last.value = change
    },
    () => kind() !== undefined,
  )
  return last
}
