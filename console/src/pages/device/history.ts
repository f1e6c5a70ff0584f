/** The history of attributes as curves: every point where they are few, otherwise mean and band of equal spans. */
import { computed, shallowRef, watch, type ComputedRef } from "vue"
import { get, path, type Query } from "@/api/client"
import { BAND_FROM, type Curve } from "@/chart/curves"
import { resolve, type Range } from "@/chart/range"
import { t } from "@/i18n"
import { useResource, type Resource } from "@/lib/resource"
import { HOUR, DAY, formatDuration, nowMs, zone } from "@/lib/time"
import { now, usePainter } from "@/live/clock"
import type { Attribute } from "./model"
import { drawnAs, nameOf, optionsOf } from "./values"

interface Points {
  identifier: string
  timestamps: number[]
  values: unknown[]
  total: number
  /** Of a band: the length of its spans, and what stands beside the means. */
  interval?: string
  min?: (number | null)[]
  max?: (number | null)[]
  count?: number[]
}

export interface Series {
  attribute: Attribute
  ts: number[]
  values: unknown[]
  /** Of a band: by bucket. */
  min?: (number | null)[]
  max?: (number | null)[]
  count?: number[]
  /** How many points the range holds. */
  total: number
  /** The length of a bucket (ms). */
  bucket?: number
}

export interface History {
  from: number
  to: number
  series: Series[]
}

const MOST_RAW = 4 * BAND_FROM

const UNITS: Record<string, number> = { s: 1000, m: 60_000, h: HOUR, d: DAY, w: 7 * DAY, mo: 30 * DAY }

/** How long a span of a band is (ms), from `1800000`, `30m` or `1d`; of a month as it usually is. */
export function intervalLength(interval: string): number {
  const match = /^(\d+)(\w*)$/.exec(interval)
  return match ? Number(match[1]) * (UNITS[match[2] ?? ""] ?? 1) : 0
}

function toSeries(attribute: Attribute, points: Points | undefined): Series {
  if (!points) return { attribute, ts: [], values: [], total: 0 }
  const { timestamps, values, total, interval, min, max, count } = points
  if (interval === undefined) return { attribute, ts: timestamps, values, total }
  const bucket = intervalLength(interval)
  return { attribute, ts: timestamps.map((ts) => ts + bucket / 2), values, min, max, count, total, bucket }
}

export async function readHistory(
  device: string,
  attributes: readonly Attribute[],
  range: Range,
  signal: AbortSignal,
): Promise<History> {
  const { from, to } = resolve(range, nowMs())
  const ask = async (lines: boolean, how: Query): Promise<Points[]> => {
    const chosen = attributes.filter((one) => (drawnAs(one) === "line") === lines)
    if (chosen.length === 0) return []
    const identifiers = chosen.map((one) => one.identifier).join(",")
    const query = { identifiers, start_time: from, end_time: to, points: BAND_FROM, ...how }
    return get<Points[]>(path`/device/${device}/history`, query, signal)
  }
  const [lines, others] = await Promise.all([
    ask(true, { method: "band", timezone: zone.value, gaps: true }),
    ask(false, {}),
  ])
  const found = [...lines, ...others]
  const series = attributes.map((attribute) =>
    toSeries(
      attribute,
      found.find((one) => one.identifier === attribute.identifier),
    ),
  )
  return { from, to, series }
}

/** The curve of a series of numbers. Values that are none are gaps. */
export function toCurve(series: Series, colour: number): Curve {
  const options = optionsOf(series.attribute)
  return {
    key: series.attribute.identifier,
    label: nameOf(series.attribute),
    unit: options.unit || undefined,
    colour: ((colour % 6) + 1) as Curve["colour"],
    kind: "line",
    ts: series.ts,
    value: series.values.map((value) => (typeof value === "number" ? value : null)),
    min: series.min,
    max: series.max,
    count: series.count,
  }
}

/** "Shown of total", for what is written beside the chart. */
export function noteOf(series: readonly Series[]): string {
  const total = series.reduce((sum, one) => sum + one.total, 0)
  const banded = series.find((one) => one.bucket !== undefined)
  if (banded) return t("chart.band", { total, interval: formatDuration(banded.bucket ?? 0) })
  const shown = series.reduce((sum, one) => sum + one.ts.length, 0)
  return shown < total ? t("chart.shownOf", { shown, total }) : t("chart.points", { count: total })
}

export interface LiveHistory {
  resource: Resource<History>
  /** What is drawn now: the history as read, and behind it what came live. */
  shown: ComputedRef<History | undefined>
  append(attributes: Record<string, unknown>, ts: number): void
  /** Says that points come from now on: what came between the reading and now is read. */
  followed(): void
}

/**
 * Live while the right edge is now: raw points of at most an hour are added as they come; a band of at most a day is read
 * anew with each of its buckets. Other ranges stand still.
 */
export function useHistory(
  device: () => string,
  attributes: () => readonly Attribute[],
  range: () => Range,
): LiveHistory {
  const added = new Map<string, { ts: number; value: unknown }[]>()
  const version = shallowRef(0)
  const changed = usePainter(() => (version.value += 1))
  const key = computed(() => {
    const chosen = attributes().map((attribute) => attribute.identifier)
    return chosen.length === 0 ? null : JSON.stringify([device(), chosen, range(), zone.value])
  })
  const resource = useResource(async (signal) => {
    const history = await readHistory(device(), attributes(), range(), signal)
    // What came while it was read is in it, or comes behind its last point.
    for (const [identifier, points] of added) {
      const last = history.series.find((one) => one.attribute.identifier === identifier)?.ts.at(-1) ?? 0
      added.set(
        identifier,
        points.filter((point) => point.ts > last),
      )
    }
    return history
  }, key)
  watch(key, () => added.clear())

  const span = computed(() => {
    const chosen = range()
    return "last" in chosen ? chosen.last : 0
  })
  const banded = () => resource.value.value?.series.some((one) => one.bucket !== undefined) ?? false
  watch(now, (at) => {
    const bucket = resource.value.value?.series.find((one) => one.bucket)?.bucket
    const due = bucket ?? (span.value > HOUR ? span.value / BAND_FROM : Infinity)
    if (
      span.value &&
      span.value <= DAY &&
      at - resource.readAt.value > Math.max(due, 60_000) &&
      !resource.loading.value
    )
      void resource.reload()
  })

  const shown = computed(() => {
    void version.value
    const history = resource.value.value
    if (!history || !span.value || span.value > HOUR || banded()) return history
    const to = Math.max(history.to, now.value)
    const series = history.series.map((one) => {
      const more = added.get(one.attribute.identifier) ?? []
      if (more.length === 0) return one
      const ts = [...one.ts, ...more.map((point) => point.ts)]
      return {
        ...one,
        ts,
        values: [...one.values, ...more.map((point) => point.value)],
        total: one.total + more.length,
      }
    })
    return { from: to - span.value, to, series }
  })

  return {
    resource,
    shown,
    followed() {
      if (span.value && span.value <= HOUR) void resource.reload()
    },
    append(values, ts) {
      if (!span.value || span.value > HOUR || banded()) return
      for (const attribute of attributes()) {
        const value = values[attribute.identifier]
        if (value === undefined) continue
        const points = added.get(attribute.identifier) ?? []
        const last =
          points.at(-1)?.ts ??
          resource.value.value?.series.find((one) => one.attribute.identifier === attribute.identifier)?.ts.at(-1) ??
          0
        if (ts <= last) continue // of the past: merged at the next reading
        points.push({ ts, value })
        added.set(attribute.identifier, points)
        if (points.length > MOST_RAW) void resource.reload()
      }
      changed()
    },
  }
}
