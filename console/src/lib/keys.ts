/**
 * Keys of the keyboard: `useKeys({ "/": focusSearch, "g d": openDevices })`. Single letters can be switched off, and none
 * acts while somebody types or a dialog is open.
 */
import { onScopeDispose, shallowRef } from "vue"
import { preferences } from "@/lib/preferences"

export type Keys = Readonly<Record<string, () => void>>

/** Whether the list of keys is open. */
export const keysShown = shallowRef(false)

const PAUSE = 1000 // between the two keys of a sequence
const bound: Keys[] = []
let first = ""
let at = 0

function typing(target: EventTarget | null): boolean {
  if (!(target instanceof HTMLElement)) return false
  return target.isContentEditable || /^(INPUT|TEXTAREA|SELECT)$/.test(target.tagName)
}

function find(name: string): (() => void) | undefined {
  for (let index = bound.length - 1; index >= 0; index -= 1) {
    const action = bound[index]?.[name]
    if (action) return action
  }
  return undefined
}

function pressed(event: KeyboardEvent): void {
  if (!preferences.keys || event.ctrlKey || event.metaKey || event.altKey || event.defaultPrevented) return
  // A link or a button that has the focus keeps its Enter.
  if (event.key === "Enter" && (event.target as Element).closest("a, button, summary")) return
  if (typing(event.target) || document.querySelector("dialog[open], [role=menu]")) return
  const sequence = first && event.timeStamp - at < PAUSE ? `${first} ${event.key}` : ""
  const action = (sequence && find(sequence)) || find(event.key)
  first = action ? "" : event.key
  at = event.timeStamp
  if (!action) return
  event.preventDefault()
  action()
}
document.addEventListener("keydown", pressed)

/** Binds keys while the running component is there; the last one bound wins. */
export function useKeys(keys: Keys): void {
  bound.push(keys)
  onScopeDispose(() => {
    const index = bound.indexOf(keys)
    if (index >= 0) bound.splice(index, 1)
  })
}
