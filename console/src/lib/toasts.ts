/** Short news at the edge of the page: what was done, with a way back; or what failed. */
import { shallowReactive } from "vue"
import { errorText } from "@/api/errors"

export interface Toast {
  id: number
  kind: "done" | "failed"
  text: string
  /** Takes back what was done; the button is there as long as the toast. */
  undo?: () => Promise<void>
}

const LIFE = 10_000
export const toasts = shallowReactive<Toast[]>([])
const timers = new Map<number, ReturnType<typeof setTimeout>>()
let last = 0

export function dismiss(id: number): void {
  hold(id)
  const index = toasts.findIndex((toast) => toast.id === id)
  if (index >= 0) toasts.splice(index, 1)
}

/** Keeps a toast while the pointer or the focus is on it. */
export function hold(id: number): void {
  clearTimeout(timers.get(id))
  timers.delete(id)
}

export function release(id: number): void {
  hold(id)
  timers.set(
    id,
    setTimeout(() => dismiss(id), LIFE),
  )
}

function add(toast: Omit<Toast, "id">): void {
  last += 1
  toasts.push({ ...toast, id: last })
  release(last)
  while (toasts.length > 3 && toasts[0]) dismiss(toasts[0].id)
}

export function toastDone(text: string, undo?: () => Promise<void>): void {
  add({ kind: "done", text, undo })
}

export function toastFailed(error: unknown): void {
  add({ kind: "failed", text: errorText(error) })
}
