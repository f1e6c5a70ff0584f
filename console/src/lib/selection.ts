/** Which rows of a list are selected: single ones, or all that match. */
import { computed, ref, shallowRef, type ComputedRef, type Ref, type ShallowRef } from "vue"
import type { PagedRows } from "@/table/pagedRows"

export interface Selection<T> {
  readonly chosen: Readonly<ShallowRef<ReadonlyMap<string, T>>>
  readonly whole: Ref<boolean>
  readonly count: ComputedRef<number>
  has(row: T): boolean
  /** Turns a row round; with `range` all from the last one on. */
  toggle(row: T, index: number, range: boolean): void
  /** Selects the rows of a range of the list. */
  add(from: number, to: number): void
  set(rows: readonly T[]): void
  none(): void
}

export function useSelection<T extends { id: string }>(rows: PagedRows<T>): Selection<T> {
  const chosen = shallowRef<ReadonlyMap<string, T>>(new Map())
  const whole = ref(false)
  let anchor = -1

  function change(from: number, to: number, on: boolean): void {
    const next = new Map(chosen.value)
    for (let at = from; at <= to; at += 1) {
      const row = rows.row(at)
      if (row && on) next.set(row.id, row)
      else if (row) next.delete(row.id)
    }
    whole.value = false
    chosen.value = next
  }

  return {
    chosen,
    whole,
    count: computed(() => (whole.value ? (rows.total.value ?? 0) : chosen.value.size)),
    has: (row) => whole.value || chosen.value.has(row.id),
    toggle(row, index, range) {
      const on = !chosen.value.has(row.id)
      const [from, to] = range && anchor >= 0 ? [Math.min(anchor, index), Math.max(anchor, index)] : [index, index]
      change(from, to, on)
      anchor = index
    },
    add: (from, to) => change(from, to, true),
    set(list) {
      whole.value = false
      chosen.value = new Map(list.map((row) => [row.id, row]))
    },
    none() {
      whole.value = false
      chosen.value = new Map()
      anchor = -1
    },
  }
}
