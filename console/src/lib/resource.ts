/** What a page reads from the server: its value, its state, and when it is read anew. */
import { computed, onScopeDispose, shallowRef, toValue, watch, type MaybeRefOrGetter, type ShallowRef } from "vue"
import { ApiError, isAbort } from "@/api/errors"
import { liveState, returns } from "@/live/connection"

export interface Resource<T> {
  /** The last value that came; it stays while it is read anew and where that fails. */
  readonly value: Readonly<ShallowRef<T | undefined>>
  readonly error: Readonly<ShallowRef<unknown>>
  readonly loading: Readonly<ShallowRef<boolean>>
  /** When the value came (ms); 0 before. */
  readonly readAt: Readonly<ShallowRef<number>>
  reload(): Promise<void>
  /** Replaces the value by what is known better, such as the answer to a change. */
  set(value: T): void
}

/**
 * Reads at once, when what `key` gives changes (then the old value goes), and after each return of the connection.
 * A read that is overtaken is aborted. With a key of null nothing is read.
 */
export function useResource<T>(
  read: (signal: AbortSignal) => Promise<T>,
  key: MaybeRefOrGetter<unknown> = "",
): Resource<T> {
  const value = shallowRef<T>()
  const error = shallowRef<unknown>(null)
  const loading = shallowRef(false)
  const readAt = shallowRef(0)
  let running: AbortController | undefined

  async function reload(): Promise<void> {
    running?.abort()
    if (toValue(key) === null) return
    const mine = (running = new AbortController())
    loading.value = true
    try {
      const read_ = await read(mine.signal)
      if (running !== mine) return
      value.value = read_
      error.value = null
      readAt.value = Date.now()
    } catch (failure) {
      if (running === mine && !isAbort(failure)) error.value = failure
    } finally {
      if (running === mine) loading.value = false
    }
  }

  watch(
    () => toValue(key),
    () => {
      value.value = undefined
      error.value = null
      void reload()
    },
    { immediate: true },
  )
  watch(returns, () => void reload())
  onScopeDispose(() => running?.abort())
  return {
    value,
    error,
    loading,
    readAt,
    reload,
    set(next) {
      running?.abort()
      running = undefined
      loading.value = false
      value.value = next
      error.value = null
    },
  }
}

/** Gives what reads anew where changes come fast: a reading that runs goes on, and once more is read when it has ended. */
export function useNextReading<T>({ loading, reload }: Resource<T>): () => void {
  let again = false
  watch(loading, (now) => {
    if (now || !again) return
    again = false
    void reload()
  })
  return () => {
    if (loading.value) again = true
    else void reload()
  }
}

export type ErrorKind = "gone" | "forbidden" | "other"

/** Which of the states of a page an error asks for. */
export function errorKind(error: unknown): ErrorKind {
  if (error instanceof ApiError && error.errcode === 404) return "gone"
  if (error instanceof ApiError && error.errcode === 403) return "forbidden"
  return "other"
}

/** Whether what is shown may be out of date. */
export const stale = computed(() => liveState.value === "lost")
