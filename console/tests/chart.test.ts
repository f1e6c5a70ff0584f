import { describe, expect, it } from "vitest"
import { bucketFor, bucketLength, nearest, summarize, withGaps, type Curve } from "@/chart/curves"
import { plotData } from "@/chart/plot"
import { lengthText, parseLength, parseRange, rangeQuery, shift, widen } from "@/chart/range"
import { DAY, HOUR, MINUTE } from "@/lib/time"

const curve = (ts: number[], value: (number | null)[], more: Partial<Curve> = {}): Curve => ({
  ...{ key: "t", label: "t", colour: 1, kind: "line", ts, value },
  ...more,
})

describe("curves", () => {
  it("are broken where silence lasts longer than three usual intervals", () => {
    const found = withGaps(curve([0, 10, 20, 30, 100, 110], [1, 2, 3, 4, 5, 6]))
    expect(found.ts).toEqual([0, 10, 20, 30, 31, 100, 110])
    expect(found.value).toEqual([1, 2, 3, 4, null, 5, 6])
  })

  it("that hold their value are not broken", () => {
    const steps = curve([0, 10, 20, 900], [1, 0, 1, 0], { kind: "steps" })
    expect(withGaps(steps)).toBe(steps)
  })

  it("keep a gap over the instants of another curve", () => {
    const [ts, first] = plotData([curve([0, 10, 20, 30, 100], [1, 1, 1, 1, 2]), curve([50, 60], [7, 7])])
    const at = (ms: number) => first?.[(ts as number[]).indexOf(ms)]
    expect([at(30), at(50), at(60), at(100)]).toEqual([1, null, null, 2])
  })

  it("carry mean, lowest and highest of a bucket", () => {
    const band = curve([0, 10], [2, 3], { min: [1, 2], max: [3, 9], count: [4, 4] })
    expect(plotData([band])).toEqual([
      [0, 10],
      [2, 3],
      [1, 2],
      [3, 9],
    ])
    expect(summarize(band)).toEqual({ min: 1, max: 9, last: 3 })
  })

  it("without values have nothing to sum up", () => {
    expect(summarize(curve([0], [null]))).toBeNull()
    expect(plotData([])).toEqual([[]])
  })

  it("are found by the nearest instant", () => {
    const ts = [0, 10, 20]
    expect([-5, 4, 6, 14, 16, 99].map((at) => ts[nearest(ts, at)])).toEqual([0, 0, 10, 10, 20, 20])
  })

  it("of a year have buckets of a day, of an hour those of a minute", () => {
    expect(bucketFor(365 * DAY)).toBe("1d")
    expect(bucketFor(HOUR)).toBe("1m")
    expect(bucketFor(20 * 365 * DAY)).toBe("1w")
    expect(bucketLength("15m")).toBe(15 * MINUTE)
  })
})

describe("ranges", () => {
  it("are typed as lengths", () => {
    expect(parseLength("30d")).toBe(30 * DAY)
    expect(parseLength(" 90 M ")).toBe(90 * MINUTE)
    for (const text of ["", "d", "0d", "3 months", "99y", "-1d"]) expect(parseLength(text)).toBeNull()
  })

  it.each([HOUR, DAY, 7 * DAY, 30 * DAY, 365 * DAY, 90 * MINUTE])("of %d ms are written and read", (last) => {
    expect(parseLength(lengthText(last))).toBe(last)
  })

  it("live in the address, and wrong ones there are passed over", () => {
    expect(parseRange({ last: "7d" }, DAY)).toEqual({ last: 7 * DAY })
    expect(parseRange({ from: "5", to: "9" }, DAY)).toEqual({ from: 5, to: 9 })
    for (const query of [{}, { from: "9", to: "5" }, { from: "x", to: "9" }, { last: "soon" }, { from: "5" }])
      expect(parseRange(query, DAY)).toEqual({ last: DAY })
    expect(parseRange(rangeQuery({ from: 5.4, to: 9 }), DAY)).toEqual({ from: 5, to: 9 })
  })

  it("move by half their length, and end at now", () => {
    expect(shift({ last: 100 }, -1, 1000)).toEqual({ from: 850, to: 950 })
    expect(shift({ from: 850, to: 950 }, 1, 1000)).toEqual({ last: 100 })
    expect(widen({ from: 400, to: 600 }, 1000)).toEqual({ from: 300, to: 700 })
    expect(widen({ from: 850, to: 950 }, 1000)).toEqual({ last: 200 })
    expect(widen({ last: HOUR }, 0)).toEqual({ last: 2 * HOUR })
  })
})
