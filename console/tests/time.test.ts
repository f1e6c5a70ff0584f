import { describe, expect, it } from "vitest"
import { language } from "@/i18n"
import { preferences } from "@/lib/preferences"
import * as time from "@/lib/time"

const AT = Date.UTC(2026, 10, 28, 14, 3, 7, 45)
const JOHNS = "America/St_Johns" // 3:30 behind UTC, and 2:30 in summer
const local = (year: number, month: number, day: number, hour: number, minute = 0) => ({
  year,
  month,
  day,
  hour,
  minute,
  second: 0,
})

describe("wall clock times of another zone", () => {
  it("are shown as they are", () => {
    expect(time.formatWall("2026-11-30T08:30:00+09:00")).toBe("30 Nov 2026, 08:30:00")
    expect(time.formatWall("soon")).toBeNull()
  })
})

describe("instants", () => {
  it("are shown in the zone of the view", () => {
    expect(time.formatTime(AT)).toBe("28 Nov 2026, 14:03:07")
    preferences.zone = "Asia/Shanghai"
    expect(time.formatTime(AT)).toBe("28 Nov 2026, 22:03:07")
    preferences.zone = "project"
    time.projectZone.value = JOHNS
    expect(time.formatTime(AT, "clock")).toBe("10:33")
  })

  it("are shown in the language of the view, with 24 hours", () => {
    language.value = "zh"
    expect(time.formatTime(Date.UTC(2026, 0, 2, 0, 5), "minute")).toBe("2026年1月2日 00:05")
  })

  it("take an offset for a zone, and UTC for a zone that the browser does not know", () => {
    preferences.zone = "project"
    time.projectZone.value = "+08:00"
    expect(time.formatTime(AT, "clock")).toBe("22:03")
    time.projectZone.value = "Mars/Olympus"
    expect(time.formatTime(AT, "clock")).toBe("14:03")
  })

  it("have an age below one day, and are absolute beyond it", () => {
    expect(time.formatAge(AT, AT + 3_000)).toBe("now")
    expect(time.formatAge(AT, AT + 59_000)).toBe("59 s ago")
    expect(time.formatAge(AT, AT + 3 * time.MINUTE)).toBe("3 min ago")
    expect(time.formatAge(AT, AT + 23 * time.HOUR)).toBe("23 h ago")
    expect(time.formatAge(AT, AT + time.DAY)).toBe("28 Nov 2026, 14:03")
    expect(time.formatAge(AT, AT - time.HOUR)).toBe("28 Nov 2026, 14:03")
  })

  it("that no calendar has do not break a page", () => {
    expect(time.isoTime(9e15)).toBe("")
    expect(time.isoTime(NaN)).toBe("")
  })
})

describe("lengths of time", () => {
  it("are told in their largest two units", () => {
    expect(time.formatDuration(250)).toBe("250 ms")
    expect(time.formatDuration(61_000)).toBe("1 min 1 s")
    expect(time.formatDuration(3 * time.DAY + 4 * time.HOUR + 5)).toBe("3 d 4 h")
    expect(time.formatDuration(time.DAY + 5 * time.MINUTE)).toBe("1 d")
    language.value = "zh"
    expect(time.formatDuration(61_000)).toBe("1 分钟 1 秒")
  })
})

describe("wall clocks", () => {
  it("lead back to their instant in any zone", () => {
    for (const zone of ["UTC", "Asia/Shanghai", JOHNS, "Asia/Kathmandu", "+08:00"])
      for (let at = Date.UTC(2026, 0, 1); at < Date.UTC(2027, 0, 1); at += 17 * time.DAY + 3 * time.HOUR)
        expect(time.fromLocal(time.toLocal(at, zone), zone)).toBe(at)
  })

  it("that come twice are the first of both", () => {
    // In Berlin, 02:30 on 25 October 2026 is at 00:30 and at 01:30 UTC.
    expect(time.fromLocal(local(2026, 10, 25, 2, 30), "Europe/Berlin")).toBe(Date.UTC(2026, 9, 25, 0, 30))
  })

  it("that do not exist are as much later as the clock was moved", () => {
    // In Berlin, 02:30 on 29 March 2026 is skipped: 03:30 is at 01:30 UTC.
    expect(time.fromLocal(local(2026, 3, 29, 2, 30), "Europe/Berlin")).toBe(Date.UTC(2026, 2, 29, 1, 30))
  })

  it("begin days that are 23 and 25 hours long", () => {
    const spring = time.startOfDay(Date.UTC(2026, 2, 29, 12), 0, "Europe/Berlin")
    expect(time.startOfDay(spring, 1, "Europe/Berlin") - spring).toBe(23 * time.HOUR)
    const autumn = time.startOfDay(Date.UTC(2026, 9, 25, 12), 0, "Europe/Berlin")
    expect(time.startOfDay(autumn, 1, "Europe/Berlin") - autumn).toBe(25 * time.HOUR)
    expect(time.startOfDay(Date.UTC(2026, 11, 31, 20), 1, "Asia/Shanghai")).toBe(Date.UTC(2027, 0, 1, 16))
  })

  it("go through the inputs of forms in the zone of the view", () => {
    preferences.zone = JOHNS
    expect(time.toInput(AT - 45)).toBe("2026-11-28T10:33:07")
    expect(time.fromInput("2026-11-28T10:33:07")).toBe(AT - 45)
    expect(time.fromInput("2026-11-28T10:33")).toBe(AT - 45 - 7_000)
    expect(time.fromInput("yesterday")).toBeNull()
  })

  it("divide the axis of a chart in the zone of the view", () => {
    preferences.zone = "Asia/Shanghai"
    const date = time.zonedDate(Date.UTC(2026, 10, 28, 16, 0, 0, 5))
    expect([date.getDate(), date.getHours(), date.getMilliseconds()]).toEqual([29, 0, 5])
  })
})
