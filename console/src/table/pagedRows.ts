/** A list of the server as if it were all here: pages are read when their rows come into view, and forgotten later. */
import { onScopeDispose, shallowRef, watch, type ShallowRef } from "vue"
import { isAbort } from "@/api/errors"
import { returns } from "@/live/connection"

export interface Page<T> {
  items: readonly T[]
  total: number
}
export type ReadPage<T> = (page: number, size: number, signal: AbortSignal) => Promise<Page<T>>

export interface PagedRows<T> {
  /** How many rows there are; undefined before the first answer. */
  readonly total: Readonly<ShallowRef<number | undefined>>
  readonly error: Readonly<ShallowRef<unknown>>
  /** Counts changes of what `row` gives: read it where rows are rendered. */
  readonly version: Readonly<ShallowRef<number>>
  row(index: number): T | undefined
  /** Says which rows are in view; reads what is missing of them. */
  need(from: number, to: number): void
  /** Forgets all and reads what is in view: the filter or the order is another one. */
  reset(): void
  /** Reads what is in view anew, while the old rows stay. */
  refresh(): void
  /** Replaces rows that are here, such as by what came live. */
  patch(change: (row: T) => T): void
}

export const PAGE_SIZE = 100
const KEPT = 30 // pages

export function usePagedRows<T>(read: ReadPage<T>): PagedRows<T> {
  const total = shallowRef<number>()
  const error = shallowRef<unknown>(null)
  const version = shallowRef(0)
  const pages = new Map<number, readonly T[]>()
  const running = new Map<number, AbortController>()
  let first = 0
  let last = PAGE_SIZE - 1

  async function load(page: number): Promise<void> {
    running.get(page)?.abort()
    const mine = new AbortController()
    running.set(page, mine)
    try {
      const answer = await read(page + 1, PAGE_SIZE, mine.signal)
      if (running.get(page) !== mine) return
      pages.delete(page) // the newest stands last
      pages.set(page, answer.items)
      total.value = answer.total
      error.value = null
      for (const old of pages.keys()) {
        if (pages.size <= KEPT) break
        if (old < Math.floor(first / PAGE_SIZE) || old > Math.floor(last / PAGE_SIZE)) pages.delete(old)
      }
    } catch (failure) {
      if (running.get(page) === mine && !isAbort(failure)) error.value = failure
    } finally {
      if (running.get(page) === mine) running.delete(page)
      version.value += 1
    }
  }

  function wanted(): number[] {
    const end = Math.min(last, (total.value ?? PAGE_SIZE) - 1)
    const numbers: number[] = []
    for (let page = Math.floor(first / PAGE_SIZE); page <= Math.floor(Math.max(first, end) / PAGE_SIZE); page += 1)
      numbers.push(page)
    return numbers
  }

  function need(from: number, to: number): void {
    first = Math.max(0, from)
    last = Math.max(first, to)
    const now = wanted()
    // What was passed by is not waited for.
    for (const [page, controller] of running)
      if (!now.includes(page)) {
        running.delete(page)
        controller.abort()
      }
    for (const page of now) if (!pages.has(page) && !running.has(page)) void load(page)
  }

  function refresh(): void {
    const now = wanted()
    for (const page of pages.keys()) if (!now.includes(page)) pages.delete(page)
    for (const page of now) void load(page)
  }

  function abort(): void {
    for (const controller of running.values()) controller.abort()
    running.clear()
  }

  watch(returns, refresh)
  onScopeDispose(abort)
  void load(0)
  return {
    total,
    error,
    version,
    row: (index) => pages.get(Math.floor(index / PAGE_SIZE))?.[index % PAGE_SIZE],
    need,
    refresh,
    reset() {
      abort()
      pages.clear()
      total.value = undefined
      error.value = null
      first = 0
      last = PAGE_SIZE - 1
      version.value += 1
      void load(0)
    },
    patch(change) {
      for (const [page, items] of pages) pages.set(page, items.map(change))
      version.value += 1
    },
  }
}
