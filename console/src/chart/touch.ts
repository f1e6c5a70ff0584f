/**
 * Fingers on a chart: one finger scrolls the page, a horizontal drag of 12 px or more selects a range, two fingers zoom,
 * a double tap goes back.
 */
export interface TouchTarget {
  /** The instant under a place of the plot (px from its left edge). */
  at(x: number): number
  select(left: number, width: number): void
  zoom(from: number, to: number): void
  reset(): void
}

const THRESHOLD = 12
const DOUBLE_TAP = 300

/** Listens on the area of the plot. Returns what ends it. */
export function listenToTouch(area: HTMLElement, target: TouchTarget): () => void {
  const fingers = new Map<number, { start: number; now: number }>()
  let dragging = false
  let lastTap = 0
  const place = (event: PointerEvent) => event.clientX - area.getBoundingClientRect().left

  function down(event: PointerEvent): void {
    if (event.pointerType !== "touch") return
    const x = place(event)
    fingers.set(event.pointerId, { start: x, now: x })
  }

  function move(event: PointerEvent): void {
    const finger = fingers.get(event.pointerId)
    if (!finger) return
    finger.now = place(event)
    if (fingers.size > 1) return
    if (!dragging && Math.abs(finger.now - finger.start) >= THRESHOLD) {
      dragging = true
      area.setPointerCapture(event.pointerId)
    }
    if (dragging) target.select(Math.min(finger.start, finger.now), Math.abs(finger.now - finger.start))
  }

  function pinch(): void {
    const [a, b] = [...fingers.values()]
    if (!a || !b) return
    const before = Math.abs(a.start - b.start)
    const after = Math.max(20, Math.abs(a.now - b.now))
    if (before < 20 || Math.abs(after - before) < THRESHOLD) return
    const middle = (a.start + b.start) / 2
    const factor = before / after
    const width = area.clientWidth
    target.zoom(target.at(middle - middle * factor), target.at(middle + (width - middle) * factor))
  }

  function up(event: PointerEvent): void {
    const finger = fingers.get(event.pointerId)
    if (!finger) return
    if (fingers.size > 1) {
      pinch()
      fingers.clear()
    } else if (dragging) {
      target.zoom(target.at(Math.min(finger.start, finger.now)), target.at(Math.max(finger.start, finger.now)))
    } else if (event.timeStamp - lastTap < DOUBLE_TAP) {
      lastTap = 0
      target.reset()
    } else lastTap = event.timeStamp
    stop()
  }

  function stop(): void {
    fingers.clear()
    dragging = false
    target.select(0, 0)
  }

  area.addEventListener("pointerdown", down)
  area.addEventListener("pointermove", move)
  area.addEventListener("pointerup", up)
  area.addEventListener("pointercancel", stop)
  return () => {
    area.removeEventListener("pointerdown", down)
    area.removeEventListener("pointermove", move)
    area.removeEventListener("pointerup", up)
    area.removeEventListener("pointercancel", stop)
  }
}
