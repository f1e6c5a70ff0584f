/** The range of time that a page shows: the last so much, or from one instant to another. It lives in the address. */
import { computed, type ComputedRef } from "vue"
import { useRoute, useRouter } from "vue-router"
import { DAY, HOUR, MINUTE } from "@/lib/time"

export type Range = { last: number } | { from: number; to: number }

const UNITS: Record<string, number> = { m: MINUTE, h: HOUR, d: DAY, w: 7 * DAY, y: 365 * DAY }
const LONGEST = 20 * 365 * DAY

/** What somebody wrote as a length: `30d`, `90 m`; null where it is none. */
export function parseLength(text: string): number | null {
  const match = /^\s*(\d{1,6})\s*([mhdwy])\s*$/i.exec(text)
  if (!match) return null
  const length = Number(match[1]) * (UNITS[(match[2] ?? "").toLowerCase()] ?? 0)
  return length > 0 && length <= LONGEST ? length : null
}

/** The same as a text, in the largest unit that divides it. */
export function lengthText(ms: number): string {
  const unit = ["y", "w", "d", "h", "m"].find((one) => ms % (UNITS[one] ?? 1) === 0) ?? "m"
  const chosen = unit === "w" && ms % (365 * DAY) !== 0 ? "d" : unit
  return `${Math.round(ms / (UNITS[chosen] ?? MINUTE))}${chosen}`
}

export function parseRange(query: Readonly<Record<string, unknown>>, fallback: number): Range {
  const [from, to] = [Number(query.from), Number(query.to)]
  if (query.from && query.to && Number.isSafeInteger(from) && Number.isSafeInteger(to) && from < to) return { from, to }
  const length = typeof query.last === "string" ? parseLength(query.last) : null
  return { last: length ?? fallback }
}

export function rangeQuery(range: Range): Record<"last" | "from" | "to", string | undefined> {
  if ("last" in range) return { last: lengthText(range.last), from: undefined, to: undefined }
  return { last: undefined, from: String(Math.round(range.from)), to: String(Math.round(range.to)) }
}

/** The ends of a range at an instant. */
export function resolve(range: Range, now: number): { from: number; to: number } {
  return "last" in range ? { from: now - range.last, to: now } : range
}

/** The range moved by half its length, or twice as long around its middle. */
export function shift(range: Range, halves: -1 | 1, now: number): Range {
  const { from, to } = resolve(range, now)
  const half = Math.round((to - from) / 2) * halves
  if (to + half >= now) return { last: to - from }
  return { from: from + half, to: to + half }
}

export function widen(range: Range, now: number): Range {
  if ("last" in range) return { last: Math.min(LONGEST, range.last * 2) }
  const { from, to } = range
  const half = Math.round((to - from) / 2)
  return to + half >= now ? { last: 2 * (to - from) } : { from: from - half, to: to + half }
}

/** The range of the page's address. Writing it replaces the address. */
export function useRange(fallback: number): { range: ComputedRef<Range>; setRange: (range: Range) => void } {
  const route = useRoute()
  const router = useRouter()
  return {
    range: computed(() => parseRange(route.query, fallback)),
    setRange: (range) => void router.replace({ query: { ...route.query, ...rangeQuery(range) } }),
  }
}
