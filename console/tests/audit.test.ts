import { afterEach, describe, expect, it, vi } from "vitest"
import { exportAudit } from "@/pages/audit/export"
import { readFilter, type AuditItem } from "@/pages/audit/model"
import { answering, ok, refused } from "./fakes"

const item = (number: number): AuditItem => ({
  id: `${number}`,
  ts: number,
  actor: { kind: "admin", id: "a1", name: "eve" },
  address: "::1",
  action: "update",
  result: "done",
  object: { type: "device", id: "d1", name: "Pump" },
  changes: [{ member: "name", before: "a", after: `b${number}` }],
})
const total = 450

/** Entries, the newest first, in parts of at most 200. */
function serve(): ReturnType<typeof answering> {
  return answering(({ url }) => {
    const before = Number(url.searchParams.get("before") ?? total + 1)
    const limit = Number(url.searchParams.get("limit"))
    const items = Array.from({ length: Math.min(limit, before - 1) }, (_, index) => item(before - 1 - index))
    const last = items.at(-1)?.ts ?? 1
    return ok({ items, next_before: last > 1 ? `${last}` : "" })
  })
}
const lines = async (file: Blob) => (await file.text()).trim().split("\r\n")

afterEach(() => {
  vi.unstubAllGlobals()
  vi.useRealTimers()
})

describe("the audit log as a file", () => {
  it("has every entry once, however many parts they come in", async () => {
    const asked = serve()
    const { file, whole } = await exportAudit(readFilter({}))
    const rows = await lines(file)
    expect([whole, rows.length, asked.length]).toEqual([true, total + 1, 3])
    expect(rows[1]).toContain(",b450")
    expect(rows.at(-1)).toContain(",b1")
    expect(new Set(rows).size).toBe(total + 1)
  })

  it("says where it was cut off", async () => {
    serve()
    const { file, whole } = await exportAudit(readFilter({}), 250)
    expect([whole, (await lines(file)).length]).toEqual([false, 251])
    expect((await exportAudit(readFilter({}), total)).whole).toBe(true)
    expect((await exportAudit(readFilter({}), 200)).whole).toBe(false)
  })

  it("waits where the server asks it to", async () => {
    vi.useFakeTimers()
    let asked = 0
    answering(() => {
      asked += 1
      return asked === 1 ? refused(429, {}) : ok({ items: [item(1)], next_before: "" })
    })
    const exported = exportAudit(readFilter({}))
    await vi.advanceTimersByTimeAsync(1500)
    expect((await exported).whole).toBe(true)
    expect(asked).toBe(2)
  })
})
