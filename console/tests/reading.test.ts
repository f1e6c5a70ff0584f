import { effectScope, nextTick, ref, type EffectScope } from "vue"
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest"
import { ApiError } from "@/api/errors"
import { useAction } from "@/lib/action"
import { useResource } from "@/lib/resource"
import { returns } from "@/live/connection"
import { usePagedRows, type Page } from "@/table/pagedRows"
import { pending } from "./fakes"

let scope: EffectScope
beforeEach(() => (scope = effectScope()))
afterEach(() => scope.stop())
const within = <T>(make: () => T): T => scope.run(make) as T
const settle = () => new Promise((resolve) => setTimeout(resolve))

describe("what is read", () => {
  it("stays while it is read anew, and where that fails", async () => {
    let answer: () => Promise<number> = async () => 1
    const resource = within(() => useResource(() => answer()))
    await settle()
    expect([resource.value.value, resource.loading.value]).toEqual([1, false])
    answer = async () => Promise.reject(new ApiError(500, "x"))
    await resource.reload()
    expect(resource.value.value).toBe(1)
    expect(resource.error.value).toBeInstanceOf(ApiError)
    answer = async () => 2
    await resource.reload()
    expect([resource.value.value, resource.error.value]).toEqual([2, null])
  })

  it("goes at once when something else is asked for, and an answer that is overtaken is not shown", async () => {
    const [first, second] = [pending<string>(), pending<string>()]
    const id = ref("first")
    const signals: AbortSignal[] = []
    const resource = within(() =>
      useResource((signal) => {
        signals.push(signal)
        return id.value === "first" ? first.promise : second.promise
      }, id),
    )
    id.value = "second"
    await nextTick()
    expect(signals[0]?.aborted).toBe(true)
    second.resolve("second")
    await settle()
    first.resolve("first")
    await settle()
    expect(resource.value.value).toBe("second")
  })

  it("is read again when the connection is back", async () => {
    let reads = 0
    within(() => useResource(async () => (reads += 1)))
    returns.value += 1
    await nextTick()
    expect(reads).toBe(2)
  })

  it("is not read without a key", async () => {
    let reads = 0
    const key = ref<string | null>(null)
    within(() => useResource(async () => (reads += 1), key))
    await settle()
    expect(reads).toBe(0)
    key.value = "now"
    await settle()
    expect(reads).toBe(1)
  })

  it("gives way to what is known better, also while it is read", async () => {
    const slow = pending<string>()
    const resource = within(() => useResource(() => slow.promise))
    resource.set("saved")
    slow.resolve("old")
    await settle()
    expect(resource.value.value).toBe("saved")
  })
})

describe("a change", () => {
  it("runs once at a time", async () => {
    const slow = pending<void>()
    let runs = 0
    const action = useAction(async () => {
      runs += 1
      await slow.promise
    })
    const [one, two] = [action.run(), action.run()]
    slow.resolve()
    expect([await one, await two, runs]).toEqual([true, false, 1])
  })

  it("puts its refusals at the fields, until the next try", async () => {
    let fail = true
    const action = useAction(async () => {
      if (fail) throw new ApiError(400, "invalid", [{ field: "name", message: "is too long" }])
    })
    expect(await action.run()).toBe(false)
    expect(action.errors.value).toEqual({ name: "is too long" })
    fail = false
    expect(await action.run()).toBe(true)
    expect(action.errors.value).toEqual({})
  })
})

describe("a list of 100,000 rows", () => {
  const TOTAL = 100_079
  const asked: number[] = []
  const read = async (page: number, size: number): Promise<Page<number>> => {
    asked.push(page)
    const from = (page - 1) * size
    return { items: Array.from({ length: Math.min(size, TOTAL - from) }, (_, place) => from + place), total: TOTAL }
  }
  beforeEach(() => (asked.length = 0))

  it("is read by the pages that are in view", async () => {
    const rows = within(() => usePagedRows(read))
    await settle()
    expect([rows.total.value, rows.row(99), rows.row(100)]).toEqual([TOTAL, 99, undefined])
    rows.need(50_090, 50_130)
    await settle()
    expect(asked).toEqual([1, 501, 502])
    expect([rows.row(50_099), rows.row(50_100)]).toEqual([50_099, 50_100])
  })

  it("does not wait for pages that were passed by", async () => {
    const signals = new Map<number, AbortSignal>()
    const slow = pending<Page<number>>()
    const rows = within(() =>
      usePagedRows<number>((page, size, signal) => {
        if (page === 1) return read(page, size)
        signals.set(page, signal)
        return slow.promise
      }),
    )
    await settle()
    rows.need(5_000, 5_040)
    rows.need(90_000, 90_040)
    expect([signals.get(51)?.aborted, signals.get(901)?.aborted]).toEqual([true, false])
  })

  it("keeps a bounded part of what was read", async () => {
    const rows = within(() => usePagedRows(read))
    for (let page = 0; page < 200; page += 1) {
      rows.need(page * 100, page * 100 + 40)
      await settle()
    }
    const kept = Array.from({ length: 200 }, (_, page) => rows.row(page * 100)).filter((row) => row !== undefined)
    expect(kept.length).toBeLessThanOrEqual(31)
    expect(rows.row(19_900)).toBe(19_900)
  })

  it("reads what is in view anew and keeps showing it meanwhile", async () => {
    const rows = within(() => usePagedRows(read))
    await settle()
    rows.refresh()
    expect(rows.row(5)).toBe(5)
    await settle()
    expect(asked).toEqual([1, 1])
  })

  it("tells a failure, and none once it works again", async () => {
    let fail = true
    const rows = within(() =>
      usePagedRows(async (page, size) => (fail ? Promise.reject(new ApiError(503, "x")) : read(page, size))),
    )
    await settle()
    expect(rows.error.value).toBeInstanceOf(ApiError)
    fail = false
    rows.reset()
    await settle()
    expect([rows.error.value, rows.row(0)]).toEqual([null, 0])
  })

  it("takes what came live into the rows that are here", async () => {
    const rows = within(() => usePagedRows(read))
    await settle()
    const before = rows.version.value
    rows.patch((row) => (row === 3 ? -3 : row))
    expect([rows.row(3), rows.row(4)]).toEqual([-3, 4])
    expect(rows.version.value).toBeGreaterThan(before)
  })
})

describe("copying", () => {
  it("works without navigator.clipboard, as on plain HTTP in a LAN, inside of an open dialog", async () => {
    const { copyText } = await import("@/lib/copy")
    let copied = ""
    let parent: Element | null = null
    const dialog = document.createElement("dialog")
    dialog.open = true
    document.body.append(dialog)
    document.execCommand = vi.fn(() => {
      const area = document.querySelector<HTMLTextAreaElement>("textarea")
      copied = area?.value ?? ""
      parent = area?.parentElement ?? null
      return true
    })
    vi.stubGlobal("isSecureContext", false)
    expect(await copyText("line 1\nline 2")).toBe(true)
    expect([copied, parent === dialog]).toEqual(["line 1\nline 2", true])
    expect(document.querySelector("textarea")).toBeNull()
    vi.unstubAllGlobals()
  })
})
