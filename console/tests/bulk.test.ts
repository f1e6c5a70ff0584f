/** Changes of many devices: how they are said, summed up and taken back; and which rows are selected. */
import { describe, expect, it, vi } from "vitest"
import { effectScope, shallowRef } from "vue"
import { byReason, change, inverse, type BulkInfo, type BulkItem } from "@/bulk/calls"
import { useSelection } from "@/lib/selection"
import { filterBody } from "@/pages/devices/filters"
import type { PagedRows } from "@/table/pagedRows"

const post = vi.hoisted(() => vi.fn())
vi.mock("@/api/client", () => ({ post }))

const info = (items: BulkItem[]): BulkInfo => ({ total: items.length, done: 0, unchanged: 0, refused: 0, items })

describe("a change of many devices", () => {
  it("names at most 1,000 devices in a call and adds up what came of them", async () => {
    post.mockImplementation((_path: string, body: { devices: string[] }) =>
      Promise.resolve({ total: body.devices.length, done: body.devices.length - 1, unchanged: 1 }),
    )
    const devices = Array.from({ length: 2100 }, (_, number) => ({ id: `d${number}`, name: "" }))
    const answer = await change("tags", { tags: { a: "b" } }, { devices, total: 2100, names: [] })
    expect(post.mock.calls.map(([path, body]) => [path, (body as { devices: string[] }).devices.length])).toEqual([
      ["/devices_tags", 1000],
      ["/devices_tags", 1000],
      ["/devices_tags", 100],
    ])
    expect(answer).toMatchObject({ total: 2100, done: 2097, unchanged: 3, refused: 0, items: [] })
  })

  it("is taken back to what each device had before", () => {
    const items: BulkItem[] = [
      { id: "a", result: "done", before: { site: "x", new: null } },
      { id: "b", result: "done", before: { site: null, new: null } },
      { id: "c", result: "unchanged" },
      { id: "d", result: "done", before: { site: "x", new: null } },
    ]
    expect(inverse("tags", { tags: { site: "y", new: "1" } }, info(items))).toEqual([
      { action: "tags", what: { tags: { site: "x" } }, devices: ["a", "d"] },
      { action: "tags_remove", what: { keys: ["new"] }, devices: ["a", "d"] },
      { action: "tags_remove", what: { keys: ["site", "new"] }, devices: ["b"] },
    ])
    const moved: BulkItem[] = [{ id: "a", result: "done", before: null }]
    expect(inverse("type", { type: "t" }, info(moved))).toEqual([
      { action: "type", what: { type: null }, devices: ["a"] },
    ])
    expect(inverse("groups", { groups: ["g"] }, info(moved))).toEqual([
      { action: "groups_remove", what: { groups: ["g"] }, devices: ["a"] },
    ])
    expect(inverse("remove", {}, info(moved))).toEqual([])
  })

  it("tells refusals by their reason, the most frequent first", () => {
    const refused = (id: string, code: string): BulkItem => ({ id, result: "refused", code, message: code })
    const found = byReason([refused("a", "one"), refused("b", "two"), { id: "c", result: "done" }, refused("d", "two")])
    expect(found.map(({ reason, devices }) => [reason.code, devices.map(({ id }) => id)])).toEqual([
      ["two", ["b", "d"]],
      ["one", ["a"]],
    ])
  })

  it("sends a filter as the API takes it in a body", () => {
    const filters = [
      { name: "online" as const, value: "0", negated: false },
      { name: "tag" as const, value: "site:x", negated: true },
      { name: "type" as const, value: "t", negated: false },
    ]
    expect(filterBody({ filters, keyword: "pump" })).toEqual({
      online: false,
      not_tag: ["site:x"],
      type: "t",
      keyword: "pump",
    })
  })
})

describe("the selection", () => {
  const list = Array.from({ length: 10 }, (_, number) => ({ id: `d${number}` }))
  const rows = {
    total: shallowRef<number | undefined>(100),
    row: (index: number) => list[index],
  } as unknown as PagedRows<{ id: string }>

  it("takes a range with shift, and all that match", () => {
    const scope = effectScope()
    scope.run(() => {
      const selection = useSelection(rows)
      selection.toggle({ id: "d2" }, 2, false)
      selection.toggle({ id: "d5" }, 5, true)
      expect([...selection.chosen.value.keys()]).toEqual(["d2", "d3", "d4", "d5"])
      selection.toggle({ id: "d3" }, 3, false)
      expect(selection.count.value).toBe(3)
      selection.whole.value = true
      expect(selection.count.value).toBe(100)
      expect(selection.has({ id: "d9" })).toBe(true)
      selection.none()
      expect(selection.count.value).toBe(0)
    })
    scope.stop()
  })
})
