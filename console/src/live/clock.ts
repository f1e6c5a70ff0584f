/**
 * One clock for everything that moves: what is live is painted together, at most 5 times a second, and after a costly
 * painting the pause is 4 times its cost, at most 2 s. A hidden tab paints nothing.
 */
import { onScopeDispose, shallowRef } from "vue"

const PAUSE = 200
const LONGEST = 2000
const painters = new Set<() => void>()
const due = new Set<() => void>()
let timer: ReturnType<typeof setTimeout> | undefined

function paint(): void {
  timer = undefined
  if (document.hidden) return // visibilitychange paints what waits
  const started = performance.now()
  const now = [...due]
  due.clear()
  for (const painter of now) if (painters.has(painter)) painter()
  // The cost with layout and paint is known when the next task runs.
  requestAnimationFrame(() => setTimeout(() => schedule(4 * (performance.now() - started))))
}

function schedule(pause: number): void {
  if (timer === undefined && due.size > 0) timer = setTimeout(paint, Math.min(LONGEST, Math.max(PAUSE, pause)))
}

document.addEventListener("visibilitychange", () => schedule(0))

/** Registers a painter of the running component. The returned function says that there is something to paint. */
export function usePainter(painter: () => void): () => void {
  painters.add(painter)
  onScopeDispose(() => {
    painters.delete(painter)
    due.delete(painter)
  })
  return () => {
    due.add(painter)
    schedule(PAUSE)
  }
}

/** The present, moved once a second (ms), for ages. */
export const now = shallowRef(Date.now())
setInterval(() => {
  if (!document.hidden) now.value = Date.now()
}, 1000)
document.addEventListener("visibilitychange", () => (now.value = Date.now()))
