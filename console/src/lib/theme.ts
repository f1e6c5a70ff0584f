/** The colours of the theme for what is drawn by hand, and word of their change. */
import { shallowRef } from "vue"

/** Counts changes of the theme: drawings are made anew. */
export const themeVersion = shallowRef(0)
const changed = () => (themeVersion.value += 1)
window.matchMedia("(prefers-color-scheme: dark)").addEventListener("change", changed)
new MutationObserver(changed).observe(document.documentElement, { attributeFilter: ["data-theme"] })

/** The value of a token, such as `series-1`. */
export function token(name: string): string {
  return getComputedStyle(document.documentElement).getPropertyValue(`--${name}`).trim()
}
