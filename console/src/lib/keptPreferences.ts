/** Preferences are kept by the server for each administrator, too, so that they come along to another browser. */
import { watch } from "vue"
import { get, put } from "@/api/client"
import { session } from "@/api/session"
import { merged, preferences, type Preferences } from "@/lib/preferences"

const PAUSE = 1500 // ms of rest before they are kept
let known = "" // what the server has, as far as this tab knows
let timer: ReturnType<typeof setTimeout> | undefined

async function read(): Promise<void> {
  const admin = session.value?.admin.id
  let kept: Partial<Preferences>
  try {
    kept = await get<Partial<Preferences>>("/admin/preferences")
  } catch {
    return // those of the browser go on
  }
  if (session.value?.admin.id !== admin) return
  // Whoever chose something here before the answer came meant it.
  if (Object.keys(kept).length > 0 && timer === undefined) Object.assign(preferences, merged(kept))
  known = Object.keys(kept).length > 0 ? JSON.stringify(preferences) : ""
  if (known === "") keepSoon()
}

function keepSoon(): void {
  clearTimeout(timer)
  timer = setTimeout(() => void keep(), PAUSE)
}

async function keep(): Promise<void> {
  timer = undefined
  const now = JSON.stringify(preferences)
  if (now === known || !session.value) return
  try {
    await put("/admin/preferences", JSON.parse(now))
    known = now
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
  watch(preferences, () => session.value && JSON.stringify(preferences) !== known && keepSoon())
}
