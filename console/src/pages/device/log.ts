/** A log of the device: the newest entries, and older ones when they are asked for. What is being read does not move. */
import { computed, shallowRef, watch, type ComputedRef, type ShallowRef } from "vue"
import type { Query } from "@/api/client"
import { useAction } from "@/lib/action"
import { useResource, type Resource } from "@/lib/resource"
import type { Listed } from "./model"

export interface Log<T> {
  resource: Resource<Listed<T>>
  items: ComputedRef<readonly T[]>
  more: ReturnType<typeof useAction<[]>>
  hasMore: ComputedRef<boolean>
  /** How many entries came since it was read; they are shown when somebody wants to see them. */
  fresh: Readonly<ShallowRef<number>>
  /** Says that an entry came. An empty log shows it at once. */
  came(): void
  /** Says that entries are told from now on: those since the reading are read. */
  followed(): void
  renew(): Promise<void>
}

const SIZE = 30

export function useLog<T>(
  read: (query: Query, signal?: AbortSignal) => Promise<Listed<T>>,
  key: () => unknown,
): Log<T> {
  const older = shallowRef<readonly T[]>([])
  const cursor = shallowRef("")
  const fresh = shallowRef(0)
  const resource = useResource(async (signal) => {
    const page = await read({ cursor: "start", page_records: SIZE }, signal)
    older.value = []
    cursor.value = page.next_cursor ?? ""
    fresh.value = 0
    return page
  }, key)
  watch(key, () => (fresh.value = 0))

  const more = useAction(async () => {
    const page = await read({ cursor: cursor.value, page_records: SIZE })
    older.value = [...older.value, ...page.items]
    cursor.value = page.next_cursor ?? ""
  })
  return {
    resource,
    items: computed(() => [...(resource.value.value?.items ?? []), ...older.value]),
    more,
    hasMore: computed(() => cursor.value !== ""),
    fresh,
    came() {
      if (resource.value.value?.items.length === 0) void resource.reload()
      else fresh.value += 1
    },
    followed: () => void resource.reload(),
    renew: () => resource.reload(),
  }
}
