/** What a chart draws. Instants in ms, ascending. */

export interface Curve {
  key: string
  label: string
  unit?: string
  /** Which of the six colours of a series. */
  colour: 1 | 2 | 3 | 4 | 5 | 6
  /** A line joins points; steps hold a value until the next one. */
  kind: "line" | "steps"
  ts: readonly number[]
  /** The value, or the mean of a bucket; null is a gap. */
  value: readonly (number | null)[]
  /** Of buckets: a band from lowest to highest. */
  min?: readonly (number | null)[]
  max?: readonly (number | null)[]
  count?: readonly number[]
}

/** From this many points on, a curve is drawn as mean and band. */
export const BAND_FROM = 600

/** The most usual distance of points (ms): the median. */
export function medianInterval(ts: readonly number[]): number {
  if (ts.length < 2) return 0
  const distances = ts.slice(1).map((at, index) => at - (ts[index] ?? at))
  distances.sort((a, b) => a - b)
  return distances[Math.floor(distances.length / 2)] ?? 0
}

/** The same curve with a null in every silence that is longer than three usual distances, so that it is not joined. */
export function withGaps(curve: Curve): Curve {
  if (curve.kind === "steps" || curve.min) return curve
  const limit = 3 * medianInterval(curve.ts)
  const ts: number[] = []
  const value: (number | null)[] = []
  for (const [index, at] of curve.ts.entries()) {
    const before = curve.ts[index - 1]
    if (limit > 0 && before !== undefined && at - before > limit) {
      ts.push(before + 1)
      value.push(null)
    }
    ts.push(at)
    value.push(curve.value[index] ?? null)
  }
  return { ...curve, ts, value }
}

export interface Summary {
  min: number
  max: number
  last: number
}

/** Lowest, highest and last value; null of a curve without values. */
export function summarize(curve: Curve): Summary | null {
  let [min, max, last] = [Infinity, -Infinity, NaN]
  for (const [index, value] of curve.value.entries()) {
    if (value === null) continue
    min = Math.min(min, curve.min?.[index] ?? value)
    max = Math.max(max, curve.max?.[index] ?? value)
    last = value
  }
  return Number.isNaN(last) ? null : { min, max, last }
}

/** The place in a sorted list that is nearest to an instant. */
export function nearest(ts: readonly number[], at: number): number {
  let [low, high] = [0, ts.length - 1]
  while (low < high) {
    const middle = (low + high) >> 1
    if ((ts[middle] ?? 0) < at) low = middle + 1
    else high = middle
  }
  const before = ts[low - 1]
  return before !== undefined && at - before < (ts[low] ?? Infinity) - at ? low - 1 : low
}

const LADDER_MS = [60_000, 300_000, 900_000, 1_800_000, 3_600_000, 7_200_000, 21_600_000, 43_200_000]
const LADDER = ["1m", "5m", "15m", "30m", "1h", "2h", "6h", "12h", "1d", "1w"] as const
export type Interval = (typeof LADDER)[number]

/** The bucket for a span of time, so that there are at most `most` of them. */
export function bucketFor(span: number, most = 600): Interval {
  const lengths = [...LADDER_MS, 86_400_000, 604_800_000]
  const place = lengths.findIndex((length) => span / length <= most)
  return LADDER[place < 0 ? LADDER.length - 1 : place] ?? "1w"
}

/** The length of a bucket (ms); of a day as it usually is. */
export function bucketLength(interval: Interval): number {
  return [...LADDER_MS, 86_400_000, 604_800_000][LADDER.indexOf(interval)] ?? 0
}
