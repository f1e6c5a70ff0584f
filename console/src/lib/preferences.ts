/** What a person chose for this browser: language, theme, time zone, columns. Nothing secret is kept here. */
import { reactive, watch } from "vue"

export type Language = "zh" | "en"
export type Theme = "system" | "light" | "dark"

export interface Preferences {
  language: Language | null // null: as the browser asks
  theme: Theme
  zone: string // "browser", "project", "UTC" or an IANA name
  sideBarFolded: boolean
  /** Whether single keys do something. */
  keys: boolean
  /** Of pages: columns, last ranges. The key is the page's own name. */
  pages: Record<string, unknown>
}

const KEY = "thingstead.preferences"
const DEFAULTS: Preferences = {
  language: null,
  theme: "system",
  zone: "browser",
  sideBarFolded: false,
  keys: true,
  pages: {},
}

function read(): Preferences {
  try {
    const kept = JSON.parse(localStorage.getItem(KEY) ?? "{}") as Partial<Preferences>
    return { ...DEFAULTS, ...kept, pages: kept.pages ?? {} }
  } catch {
    return { ...DEFAULTS, pages: {} } // storage is switched off or holds something foreign
  }
}

export const preferences = reactive<Preferences>(read())

watch(preferences, () => {
  try {
    localStorage.setItem(KEY, JSON.stringify(preferences))
  } catch {
    // Storage is full or switched off: the choice lasts as long as the page.
  }
})
