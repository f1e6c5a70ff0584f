/** What is being dragged on the page of groups. Browsers tell what it is only when it is dropped. */
import { shallowRef } from "vue"

export type Dragged = { group: string } | { devices: readonly string[] }
export const dragged = shallowRef<Dragged | null>(null)

export function beginDrag(event: DragEvent, what: Dragged, text: string): void {
  dragged.value = what
  if (!event.dataTransfer) return
  event.dataTransfer.effectAllowed = "move"
  event.dataTransfer.setData("text/plain", text)
}
export function endDrag(): void {
  dragged.value = null
}
