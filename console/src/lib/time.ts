/**
 * The one place that turns instants (ms UTC) into what people read, and back. Everything follows the zone of the view:
 * the browser's, the project's, UTC or a named one.
 */
import { computed, ref } from "vue"
import { locale, t } from "@/i18n"
import { preferences } from "@/lib/preferences"

export const SECOND = 1000
export const MINUTE = 60 * SECOND
export const HOUR = 60 * MINUTE
export const DAY = 24 * HOUR

export const browserZone = new Intl.DateTimeFormat().resolvedOptions().timeZone
/** The zone of the project that is open. */
export const projectZone = ref("UTC")

/** Whether the browser knows a zone by this name or offset. */
export function isZone(name: string): boolean {
  try {
    new Intl.DateTimeFormat("en", { timeZone: name })
    return true
  } catch {
    return false
  }
}

/** The zone in which this view shows instants. */
export const zone = computed(() => {
  const wished = preferences.zone
  const named = wished === "browser" ? browserZone : wished === "project" ? projectZone.value : wished
  return isZone(named) ? named : "UTC"
})
/** Whether the zone has to be said, since it is not the reader's own. */
export const zoneDiffers = computed(() => zone.value !== browserZone)

const formats = {
  clock: { hour: "2-digit", minute: "2-digit", hourCycle: "h23" },
  seconds: { hour: "2-digit", minute: "2-digit", second: "2-digit", hourCycle: "h23" },
  millis: { hour: "2-digit", minute: "2-digit", second: "2-digit", fractionalSecondDigits: 3, hourCycle: "h23" },
  date: { year: "numeric", month: "short", day: "numeric" },
  day: { month: "short", day: "numeric" },
  month: { year: "2-digit", month: "short" },
  year: { year: "numeric" },
  weekday: { weekday: "short" },
  minute: { year: "numeric", month: "short", day: "numeric", hour: "2-digit", minute: "2-digit", hourCycle: "h23" },
  full: {
    year: "numeric",
    month: "short",
    day: "numeric",
    hour: "2-digit",
    minute: "2-digit",
    second: "2-digit",
    hourCycle: "h23",
  },
} satisfies Record<string, Intl.DateTimeFormatOptions>
export type TimeFormat = keyof typeof formats

const cache = new Map<string, Intl.DateTimeFormat>()
function formatter(
  key: string,
  options: Intl.DateTimeFormatOptions,
  of: string,
  zoneName: string,
): Intl.DateTimeFormat {
  const name = `${key} ${of} ${zoneName}`
  let made = cache.get(name)
  if (!made) cache.set(name, (made = new Intl.DateTimeFormat(of, { ...options, timeZone: zoneName })))
  return made
}

/** An instant in the zone and language of the view. `full` is the form for tables and tooltips. */
export function formatTime(ms: number, form: TimeFormat = "full"): string {
  return formatter(form, formats[form], locale.value, zone.value).format(ms)
}

/**
 * A wall clock time of another zone, as the server tells it (2026-11-30T08:30:00+08:00), in the language of the view.
 * Null where the text is none.
 */
export function formatWall(local: string): string | null {
  const match = /^(\d{4}-\d\d-\d\dT\d\d:\d\d(?::\d\d)?)/.exec(local)
  const wall = match ? Date.parse(`${match[1]}Z`) : NaN
  return Number.isNaN(wall) ? null : formatter("full", formats.full, locale.value, "UTC").format(wall)
}

/** The short name of a day of the week, from 1, Monday, to 7. */
export function weekdayName(day: number): string {
  return formatter("weekday", formats.weekday, locale.value, "UTC").format(Date.UTC(2024, 0, day))
}

/** For `<time datetime>`: ISO 8601 in UTC. */
export function isoTime(ms: number): string {
  return Number.isFinite(ms) && Math.abs(ms) <= 8.64e15 ? new Date(ms).toISOString() : ""
}

/** How long ago, below one day; beyond it the absolute time. `now` comes from the clock of the page. */
export function formatAge(ms: number, now: number): string {
  const age = now - ms
  if (age >= DAY || age <= -MINUTE) return formatTime(ms, "minute")
  if (age < 5 * SECOND) return t("time.now")
  if (age < MINUTE) return t("time.secondsAgo", { count: Math.floor(age / SECOND) })
  if (age < HOUR) return t("time.minutesAgo", { count: Math.floor(age / MINUTE) })
  return t("time.hoursAgo", { count: Math.floor(age / HOUR) })
}

/** A length of time in its largest one or two units, such as "3 d 4 h". */
export function formatDuration(ms: number): string {
  if (ms < SECOND) return t("time.ms", { count: Math.round(ms) })
  const parts = [
    ["time.days", Math.floor(ms / DAY)],
    ["time.hours", Math.floor((ms % DAY) / HOUR)],
    ["time.minutes", Math.floor((ms % HOUR) / MINUTE)],
    ["time.seconds", Math.floor((ms % MINUTE) / SECOND)],
  ] as const
  const first = parts.findIndex(([, count]) => count > 0)
  const told = parts.slice(first, first + 2).filter(([, count]) => count > 0)
  return told.map(([word, count]) => t(word, { count })).join(" ")
}

export interface LocalTime {
  year: number
  month: number // 1 to 12
  day: number
  hour: number
  minute: number
  second: number
}

/** The wall clock of an instant in the zone of the view. */
export function toLocal(ms: number, zoneName: string = zone.value): LocalTime {
  const options: Intl.DateTimeFormatOptions = { ...formats.full, month: "2-digit", day: "2-digit" }
  const parts: Record<string, number> = {}
  for (const part of formatter("parts", options, "en-GB", zoneName).formatToParts(ms))
    parts[part.type] = Number(part.value)
  const { year = 0, month = 1, day = 1, hour = 0, minute = 0, second = 0 } = parts
  return { year, month, day, hour, minute, second }
}

function asUtc(local: LocalTime): number {
  return Date.UTC(local.year, local.month - 1, local.day, local.hour, local.minute, local.second)
}

/** How far the zone is ahead of UTC at an instant (ms). */
export function zoneOffset(ms: number, zoneName: string = zone.value): number {
  const whole = Math.floor(ms / SECOND) * SECOND
  return asUtc(toLocal(whole, zoneName)) - whole
}

/**
 * The instant of a wall clock time in the zone of the view. Of a time that comes twice (the clock is put back) it is
 * the first; of a time that does not exist (the clock is put forward) it is as much later as the clock was moved.
 */
export function fromLocal(local: LocalTime, zoneName: string = zone.value): number {
  const wall = asUtc(local)
  const before = zoneOffset(wall - DAY, zoneName)
  const after = zoneOffset(wall + DAY, zoneName)
  for (const offset of [Math.max(before, after), Math.min(before, after)])
    if (zoneOffset(wall - offset, zoneName) === offset) return wall - offset
  return wall - before
}

/** The first instant of the day that is `days` after that of `ms`, in the zone of the view. */
export function startOfDay(ms: number, days = 0, zoneName: string = zone.value): number {
  const { year, month, day } = toLocal(ms, zoneName)
  const date = new Date(Date.UTC(year, month - 1, day + days))
  return fromLocal(
    {
      year: date.getUTCFullYear(),
      month: date.getUTCMonth() + 1,
      day: date.getUTCDate(),
      hour: 0,
      minute: 0,
      second: 0,
    },
    zoneName,
  )
}

/** For `<input type="datetime-local">`: the wall clock as 2026-11-28T14:03:00. */
export function toInput(ms: number): string {
  const local = toLocal(ms)
  const two = (value: number) => String(value).padStart(2, "0")
  const date = `${String(local.year).padStart(4, "0")}-${two(local.month)}-${two(local.day)}`
  return `${date}T${two(local.hour)}:${two(local.minute)}:${two(local.second)}`
}

/** What such an input holds as an instant; null where it is no time. */
export function fromInput(text: string): number | null {
  const match = /^(\d{4})-(\d\d)-(\d\d)T(\d\d):(\d\d)(?::(\d\d))?/.exec(text)
  if (!match) return null
  const [year = 0, month = 1, day = 1, hour = 0, minute = 0, second = 0] = match
    .slice(1)
    .map((part) => Number(part ?? 0))
  return fromLocal({ year, month, day, hour, minute, second })
}

/** What the clock of this machine says. */
export function nowMs(): number {
  return Date.now()
}

/** A Date whose getters tell the wall clock of the view's zone: what uPlot divides its axis with. */
export function zonedDate(ms: number): Date {
  const { year, month, day, hour, minute, second } = toLocal(ms)
  return new Date(year, month - 1, day, hour, minute, second, ((ms % SECOND) + SECOND) % SECOND)
}
