/** Copying to the clipboard, also on plain HTTP to a LAN address, where browsers have no navigator.clipboard. */

function copyBySelection(text: string): boolean {
  const area = document.createElement("textarea")
  area.value = text
  area.readOnly = true
  area.className = "copy-area"
  // Inside an open dialog, since what is outside of it is inert.
  const parent = document.querySelector("dialog[open]") ?? document.body
  const focused = document.activeElement
  parent.append(area)
  area.select()
  try {
    return document.execCommand("copy")
  } finally {
    area.remove()
    if (focused instanceof HTMLElement) focused.focus({ preventScroll: true })
  }
}

/** Whether the text is on the clipboard now. */
export async function copyText(text: string): Promise<boolean> {
  if (navigator.clipboard && window.isSecureContext) {
    try {
      await navigator.clipboard.writeText(text)
      return true
    } catch {
      // Not permitted: the other way may work all the same.
    }
  }
  return copyBySelection(text)
}
