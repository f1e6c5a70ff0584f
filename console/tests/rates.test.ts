// Rates of messages: what a minute has, the span that runs, round ends of axes, and how long a disk lasts.
import { describe, expect, it } from "vitest"
import { daysLeft, ratesOf, roundUp, spanOf, type StatItem } from "@/pages/overview/rates"

const MINUTE = 60_000
const item = (ts: number, more: Partial<StatItem>): StatItem => ({
  ts,
  up_attributes: 0,
  up_events: 0,
  up_replies: 0,
  up_data: 0,
  refused: 0,
  down_attributes: 0,
  down_commands: 0,
  down_data: 0,
  points: 0,
  alarms_raised: 0,
  alarms_cleared: 0,
  online_max: 0,
  online_min: 0,
  ...more,
})

describe("rates", () => {
  it("are messages a minute, by direction; the span that runs counts its whole minutes", () => {
    const items = [
      item(0, { up_attributes: 10, up_events: 5, down_commands: 30, refused: 15 }),
      item(15 * MINUTE, { up_data: 4, online_max: 3, online_min: 1 }),
    ]
    expect(ratesOf(items, 15 * MINUTE, 17 * MINUTE + 5)).toEqual([
      { from: 0, to: 15 * MINUTE, up: 1, down: 2, refused: 1, onlineMax: 0, onlineMin: 0 },
      { from: 15 * MINUTE, to: 30 * MINUTE, up: 2, down: 0, refused: 0, onlineMax: 3, onlineMin: 1 },
    ])
  })
  it("leave out a span of which no minute is over", () => {
    expect(ratesOf([item(0, {}), item(MINUTE, {})], MINUTE, MINUTE + 5)).toHaveLength(1)
    expect(ratesOf([item(0, {})], MINUTE, 5)).toEqual([])
  })
  it("stand on an axis with a round end", () => {
    expect([0, 0.3, 1, 3, 11, 26, 100, 101].map(roundUp)).toEqual([1, 0.5, 1, 5, 20, 50, 100, 200])
  })
  it("are those of a day, unless the address names another range", () => {
    expect(["1h", "30d", "2y", undefined, ["1h"]].map(spanOf)).toEqual(["1h", "30d", "24h", "24h", "24h"])
  })
})

describe("a disk", () => {
  const server = {
    disk_free_bytes: 1100,
    low_disk_bytes: 100,
    history_points: 50,
    history_bytes: 100,
    history_oldest_ts: 0,
  }
  it("lasts as long as what is stored a day fits above what must stay free", () => {
    expect(daysLeft(server, 10)).toBe(50)
    expect(daysLeft({ ...server, disk_free_bytes: 50 }, 10)).toBe(0)
  })
  it("lasts nobody knows how long where nothing is stored", () => {
    expect(daysLeft(server, 0)).toBeNull()
    expect(daysLeft({ ...server, history_points: 0 }, 5)).toBeNull()
  })
})
