/** Who is logged in. There is one session a tab; it lives in a cookie that scripts cannot read. */
import { computed, shallowRef } from "vue"
import { projectZone } from "@/lib/time"
import { call, onSignedOut } from "./client"
import { ApiError, Unreachable } from "./errors"

export type Role = "viewer" | "operator" | "admin"

export interface ProjectInfo {
  id: string
  name: string
  descr: string
  tags: Record<string, string>
  timezone: string
  /** User name and topic prefix of the application plane. */
  view_key: string
}

export interface SessionInfo {
  id: string
  admin: { id: string; account: string; name?: string; email?: string }
  role: Role
  project: ProjectInfo
  created_at: number
  expires_at: number
  keep: boolean
  /** Of the server. */
  version: string
}

/** What a server tells before anybody logs in. */
export interface ConsoleInfo {
  version: string
  languages: string[]
  single_project: boolean
  secure: boolean
  second_factor: boolean
  signed_in: boolean
}

export interface Credentials {
  project?: string
  account: string
  password: string
  keep?: boolean
}

export const consoleInfo = shallowRef<ConsoleInfo | null>(null)
export const session = shallowRef<SessionInfo | null>(null)
/** Whether the session ended while pages are open: they stay, and a log-in stands over them. */
export const expired = shallowRef(false)

const RANKS: Record<Role, number> = { viewer: 0, operator: 1, admin: 2 }
export const role = computed<Role>(() => session.value?.role ?? "viewer")
/** Whether the one who is logged in may do what wants this role. */
export function may(wanted: Role): boolean {
  return RANKS[role.value] >= RANKS[wanted]
}

let waiting: { promise: Promise<void>; done: () => void } | null = null

/** Resolves when somebody is logged in again. Asks once, however many calls wait. */
export function waitForLogIn(): Promise<void> {
  expired.value = true
  if (!waiting) {
    let done = () => {}
    const promise = new Promise<void>((resolve) => (done = resolve))
    waiting = { promise, done }
  }
  return waiting.promise
}
onSignedOut(waitForLogIn)

function enter(info: SessionInfo): void {
  const before = session.value
  if (before && (before.project.id !== info.project.id || before.admin.id !== info.admin.id)) {
    // Somebody else, or another project: nothing of what this tab holds may be shown to them.
    window.location.assign(import.meta.env.BASE_URL)
    return
  }
  session.value = info
  projectZone.value = info.project.timezone
  expired.value = false
  waiting?.done()
  waiting = null
}

/** Reads whose session it is now: another tab may have logged in as somebody else, or to another project. */
export async function renewSession(): Promise<void> {
  enter(await call<SessionInfo>("GET", "/console/session", { bare: true }))
}

/** Reads what the server is and, where a session lives, who it belongs to; `meanwhile` runs beside, where there may be one. */
export async function openSession(meanwhile: () => void = () => {}): Promise<void> {
  // Who has logged in here before is most likely logged in still: the page need not wait until that is known.
  const likely = hasLoggedIn()
  if (likely) meanwhile()
  consoleInfo.value = await call<ConsoleInfo>("GET", "/console", { bare: true })
  if (!consoleInfo.value.signed_in) return
  if (!likely) meanwhile()
  try {
    await renewSession()
  } catch (error) {
    if (!(error instanceof ApiError && error.errcode === 401)) throw error
  }
}

/** Logs in. A refusal is thrown: 401 wrong, 409 with the projects to choose from, 429 to wait. */
export async function logIn(credentials: Credentials): Promise<void> {
  const info = await call<SessionInfo>("POST", "/console/session", { body: credentials, bare: true })
  try {
    localStorage.setItem(LOGGED_IN, info.id)
  } catch {
    // Storage is switched off: other tabs notice at their next connection.
  }
  enter(info)
}

// All tabs of a browser share the cookie: after a log-in in one of them the others follow.
const LOGGED_IN = "thingstead.session"
function hasLoggedIn(): boolean {
  try {
    return localStorage.getItem(LOGGED_IN) !== null
  } catch {
    return false
  }
}
window.addEventListener("storage", (event) => {
  if (event.key === LOGGED_IN && session.value) renewSession().catch(() => {})
})

/** Ends the session on the server. Where that is unreachable, the error is thrown and the session stays. */
export async function logOut(): Promise<void> {
  try {
    await call("DELETE", "/console/session", { bare: true })
  } catch (error) {
    if (error instanceof Unreachable || (error instanceof ApiError && error.errcode !== 401)) throw error
  }
  session.value = null
}
