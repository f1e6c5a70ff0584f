/** Columns that are dragged to another place, and made wider or narrower at their edge. */
import { onScopeDispose, shallowRef, type ShallowRef } from "vue"
import type { Column } from "./columns"

const LEAST = 48 // px
const MOST = 1200

export interface Arranging {
  /** The column whose edge is dragged, and how wide it is now (px). */
  readonly sized: Readonly<ShallowRef<{ key: string; width: number } | null>>
  /** The column in front of which another one would be dropped. */
  readonly over: Readonly<ShallowRef<string | null>>
  widthOf(column: Column): string
  grip(event: PointerEvent, column: Column): void
  take(event: DragEvent, column: Column): void
  pass(event: DragEvent, column: Column): void
  drop(event: DragEvent, column: Column): void
  end(): void
}

export function useArranging(
  moved: (key: string, before: string) => void,
  resized: (key: string, width: number) => void,
): Arranging {
  const sized = shallowRef<{ key: string; width: number } | null>(null)
  const over = shallowRef<string | null>(null)
  let dragged: string | null = null
  let stop: (() => void) | null = null
  onScopeDispose(() => stop?.())

  return {
    sized,
    over,
    widthOf: (column) => (sized.value?.key === column.key ? `${sized.value.width}px` : column.width),
    grip(event, column) {
      event.preventDefault() // neither text is selected nor a column dragged
      stop?.()
      const cell = (event.target as HTMLElement).closest("[role=columnheader]")
      const before = cell?.getBoundingClientRect().width ?? LEAST
      const from = event.clientX
      const move = (next: PointerEvent) => {
        const width = Math.round(Math.min(MOST, Math.max(LEAST, before + next.clientX - from)))
        sized.value = { key: column.key, width }
      }
      const done = () => {
        stop?.()
        if (sized.value) resized(sized.value.key, sized.value.width)
        sized.value = null
      }
      window.addEventListener("pointermove", move)
      window.addEventListener("pointerup", done)
      window.addEventListener("pointercancel", done)
      stop = () => {
        window.removeEventListener("pointermove", move)
        window.removeEventListener("pointerup", done)
        window.removeEventListener("pointercancel", done)
        stop = null
      }
    },
    take(event, column) {
      dragged = column.key
      event.dataTransfer?.setData("text/plain", column.label)
    },
    pass(event, column) {
      if (dragged === null || !column.movable) return
      event.preventDefault() // says that it may be dropped
      over.value = column.key
    },
    drop(event, column) {
      event.preventDefault()
      if (dragged !== null && dragged !== column.key) moved(dragged, column.key)
    },
    end() {
      dragged = null
      over.value = null
    },
  }
}
