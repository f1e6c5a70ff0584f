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

const PAUSE = 500
const decoder = new TextDecoder()

/** Calls `changed` for each change of the project. */
function listen(changed: (change: Change) => void, wanted: () => boolean = () => true): void {
  useTopics(
    () => (wanted() ? ["$project/changed"] : []),
    (payload) => {
      try {
        changed(JSON.parse(decoder.decode(payload)) as Change)
      } catch {
        // No message of a server that we know.
      }
    },
  )
}

/** Calls `changed` soon after something of these kinds was changed. */
export function useChanges(kinds: readonly string[], changed: (last: Change) => void): void {
  let soon: ReturnType<typeof setTimeout> | undefined
  listen((change) => {
    if (!kinds.includes(change.kind)) return
    clearTimeout(soon)
    soon = setTimeout(() => changed(change), PAUSE)
  })
  onScopeDispose(() => clearTimeout(soon))
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
