/**
 * What is being typed, kept in the tab until it is saved: a reload, a session that ends or a page that breaks loses
 * nothing. Never for secrets.
 */
import { computed, onScopeDispose, ref, toRaw, watch, type ComputedRef, type Ref } from "vue"
import { session } from "@/api/session"

const PREFIX = "thingstead.draft."
const PAUSE = 300

export interface Draft<T> {
  readonly value: Ref<T>
  /** Whether it differs from what was read, deeply. */
  readonly dirty: ComputedRef<boolean>
  /** Whether it was found from before a reload. */
  readonly restored: Ref<boolean>
  /**
   * What was typed before a reload on another state of the thing: somebody has saved since. It is not taken up, since it
   * would undo what they did; who can put both together finds it here.
   */
  readonly outdated: { base: T; value: T } | null
  /** Takes what the server has now; what is typed goes. */
  reset(to: T): void
}

/** JSON with the keys of objects in order, so that equal values are equal texts. */
export function canonical(value: unknown): string {
  return JSON.stringify(value, (_key, inner: unknown) =>
    inner && typeof inner === "object" && !Array.isArray(inner)
      ? Object.fromEntries(Object.entries(inner).sort(([a], [b]) => (a < b ? -1 : 1)))
      : inner,
  )
}

function stored<T>(key: string): { base: string; value: T } | null {
  try {
    const kept = sessionStorage.getItem(key)
    return kept === null ? null : (JSON.parse(kept) as { base: string; value: T })
  } catch {
    return null
  }
}

/**
 * The draft of a form. `key` names what is edited, such as `device/d1/settings`; what is not `storable`, since it has a
 * secret, lasts as long as the page.
 */
export function useDraft<T>(key: string, initial: T, storable: (value: T) => boolean = () => true): Draft<T> {
  const name = `${PREFIX}${session.value?.project.id ?? ""}.${session.value?.admin.id ?? ""}.${key}`
  const kept = stored<T>(name)
  const taken = kept !== null && kept.base === canonical(initial)
  const base = ref(canonical(initial))
  const value = ref(structuredClone(taken ? kept.value : toRaw(initial))) as Ref<T>
  const restored = ref(taken)
  const outdated = kept === null || taken ? null : { base: JSON.parse(kept.base) as T, value: kept.value }
  const dirty = computed(() => canonical(value.value) !== base.value)
  let timer: ReturnType<typeof setTimeout> | undefined

  function keep(): void {
    clearTimeout(timer)
    try {
      if (dirty.value && storable(value.value))
        sessionStorage.setItem(name, JSON.stringify({ base: base.value, value: value.value }))
      else sessionStorage.removeItem(name)
    } catch {
      // Storage is full or switched off: the draft lasts as long as the page.
    }
  }

  watch(
    value,
    () => {
      clearTimeout(timer)
      timer = setTimeout(keep, PAUSE)
    },
    { deep: true },
  )
  window.addEventListener("pagehide", keep)
  onScopeDispose(() => {
    window.removeEventListener("pagehide", keep)
    keep()
  })
  return {
    value,
    dirty,
    restored,
    outdated,
    reset(to) {
      base.value = canonical(to)
      value.value = structuredClone(toRaw(to))
      restored.value = false
      keep()
    },
  }
}

/** Forgets all drafts of this tab, at log-out. */
export function dropDrafts(): void {
  try {
    for (const key of Object.keys(sessionStorage)) if (key.startsWith(PREFIX)) sessionStorage.removeItem(key)
  } catch {
    // Nothing was kept.
  }
}
