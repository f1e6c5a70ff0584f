/** Preferences are kept by the server for each administrator, too, so that they come along to another browser. */
import { watch } from "vue"
import { get, put } from "@/api/client"
import { session } from "@/api/session"
import { merged, preferences, type Preferences } from "@/lib/preferences"

const PAUSE = 1500 // ms of rest before they are kept
let known = "" // what the server has, as far as this tab knows
/** Names the administrator whose last choice the server has not got yet, as when the page was left before it was kept. */
const UNSENT = "thingstead.preferences.unsent"
let timer: ReturnType<typeof setTimeout> | undefined

function unsent(): string | null {
  try {
    return localStorage.getItem(UNSENT)
  } catch {
    return null // storage is switched off
  }
}

function markUnsent(admin: string | undefined): void {
  try {
    if (admin) localStorage.setItem(UNSENT, admin)
    else localStorage.removeItem(UNSENT)
  } catch {
    // Storage is full or switched off: what is chosen just before a reload may be lost.
  }
}

async function read(): Promise<void> {
  const admin = session.value?.admin.id
  let kept: Partial<Preferences>
  try {
    kept = await get<Partial<Preferences>>("/admin/preferences")
  } catch {
    return // those of the browser go on
  }
  if (session.value?.admin.id !== admin) return
  const empty = Object.keys(kept).length === 0
  // Whoever chose something here before the answer came, or just before the page was left, meant it.
  const chosen = timer !== undefined || unsent() === admin
  const ours = empty || chosen
  if (!ours) Object.assign(preferences, merged(kept))
  known = empty ? "" : JSON.stringify(ours ? merged(kept) : preferences)
  if (ours) keepSoon(chosen)
}

/** `chosen`: by somebody, so that it outlives a reload; at a first log-in the server has none, and nobody chose any. */
function keepSoon(chosen: boolean): void {
  if (chosen) markUnsent(session.value?.admin.id)
  clearTimeout(timer)
  timer = setTimeout(() => void keep(), PAUSE)
}

async function keep(): Promise<void> {
  timer = undefined
  const now = JSON.stringify(preferences)
  if (!session.value) return
  try {
    if (now !== known) await put("/admin/preferences", JSON.parse(now))
    known = now
    if (timer === undefined) markUnsent(undefined)
  } catch {
    // The browser has them; the next change is another attempt.
  }
}

/** Reads them at each log-in, and keeps what is changed from then on. */
export function keepPreferences(): void {
  watch(
    () => session.value?.admin.id,
    (admin) => admin && void read(),
    { immediate: true },
  )
  watch(preferences, () => session.value && JSON.stringify(preferences) !== known && keepSoon(true))
}
