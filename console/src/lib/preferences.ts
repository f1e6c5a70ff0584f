/** What a person chose: language, theme, time zone, columns. Nothing secret is kept here. */
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

const THEMES: readonly unknown[] = ["system", "light", "dark"]

/** Whole preferences of what was kept, which may be of another version or tampered with. */
export function merged(kept: Partial<Record<keyof Preferences, unknown>>): Preferences {
  const { language, theme, zone, sideBarFolded, keys, pages } = kept
  return {
    language: language === "zh" || language === "en" ? language : DEFAULTS.language,
    theme: THEMES.includes(theme) ? (theme as Theme) : DEFAULTS.theme,
    zone: typeof zone === "string" ? zone : DEFAULTS.zone,
    sideBarFolded: typeof sideBarFolded === "boolean" ? sideBarFolded : DEFAULTS.sideBarFolded,
    keys: typeof keys === "boolean" ? keys : DEFAULTS.keys,
    pages: typeof pages === "object" && pages !== null && !Array.isArray(pages) ? { ...pages } : {},
  }
}

function read(): Preferences {
  try {
    return merged(JSON.parse(localStorage.getItem(KEY) ?? "{}") as Partial<Preferences>)
  } catch {
    return merged({}) // storage is switched off or holds something foreign
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
