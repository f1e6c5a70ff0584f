/** What somebody set up, changed or removed in the project, as the topic `$project/changed` tells it. */
import { onScopeDispose, shallowRef } from "vue"
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

/** Calls `changed` soon after something of these kinds was changed; `id` narrows it to one thing. */
export function useChanges(kinds: readonly string[], changed: (last: Change) => void, id?: () => string): void {
  let soon: ReturnType<typeof setTimeout> | undefined
  useTopics(["$project/changed"], (payload) => {
    let change: Change
    try {
      change = JSON.parse(decoder.decode(payload)) as Change
    } catch {
      return
    }
    if (!kinds.includes(change.kind) || (id && change.id !== id())) return
    clearTimeout(soon)
    soon = setTimeout(() => changed(change), PAUSE)
  })
  onScopeDispose(() => clearTimeout(soon))
}

/** The last change of one thing by somebody else, for who is editing it. */
export function useOthersChange(kind: string, id: () => string) {
  const last = shallowRef<Change | null>(null)
  useChanges(
    [kind],
    (change) => {
      if (change.by !== session.value?.admin.account) last.value = change
    },
    id,
  )
  return last
}
