import { lastReport } from "@/lib/devices"
import { describe, expect, it } from "vitest"
import {
  addressOf,
  filterQuery,
  parseTyped,
  readFilters,
  withFilter,
  type Filter,
  type FilterName,
  sortOf,
} from "@/pages/devices/filters"
import { flatGroups } from "@/lib/groups"
import { parseTags } from "@/lib/tags"
import { moved, type DeviceRow } from "@/pages/devices/list"

const one = (name: FilterName, value: string, negated = false): Filter => ({ name, value, negated })

describe("the order of the list", () => {
  it("is that of the address, or the usual one where the server does not know it", () => {
    expect(sortOf({ sort: "-name" })).toBe("-name")
    for (const sort of ["", "owner", "name;drop", null]) expect(sortOf({ sort })).toBe("create_time")
  })
})

describe("filters of the list", () => {
  it("come back from the address that they make", () => {
    const filters = [
      one("type", "t1"),
      one("tag", "site:north"),
      one("tag", "floor"),
      one("online", "1"),
      one("group", "g1", true),
      one("group", "g2", true),
      one("tag", "old", true),
    ]
    const query = filterQuery(filters, "pump")
    expect(query).toEqual({
      type: "t1",
      tag: ["site:north", "floor"],
      online: "1",
      not_group: "g1,g2",
      not_tag: ["old"],
      keyword: "pump",
    })
    expect(new Set(readFilters(query).map((filter) => JSON.stringify(filter)))).toEqual(
      new Set(filters.map((filter) => JSON.stringify(filter))),
    )
  })

  it("keep the usual order out of the address", () => {
    expect(addressOf({ filters: [], keyword: "", sort: "create_time" })).toEqual({})
    expect(addressOf({ filters: [], keyword: "", sort: "-active" })).toEqual({ sort: "-active" })
  })

  it("replace one of the same name, but for tags", () => {
    expect(withFilter([one("type", "a")], one("type", "b"))).toEqual([one("type", "b")])
    expect(withFilter([one("tag", "a")], one("tag", "b"))).toEqual([one("tag", "a"), one("tag", "b")])
    expect(withFilter([one("group", "a", true)], one("group", "b", true))).toHaveLength(2)
    expect(withFilter([one("group", "a")], one("group", "a", true))).toEqual([one("group", "a", true)])
  })

  it("turn yes and no round instead of negating them", () => {
    expect(withFilter([], one("online", "1", true))).toEqual([one("online", "0")])
  })

  it("are read from what is typed, in either language", () => {
    const aliases = new Map<string, FilterName>([["设备类型", "type"]])
    expect(parseTyped("pump", aliases)).toEqual({ negated: false, text: "pump" })
    expect(parseTyped("-tag:site:north", aliases)).toEqual({ negated: true, name: "tag", text: "site:north" })
    expect(parseTyped("设备类型：泵", aliases)).toEqual({ negated: false, name: "type", text: "泵" })
    expect(parseTyped("alarm:any", aliases)).toEqual({ negated: false, name: "alarm_level", text: "any" })
    expect(parseTyped("http://x", aliases)).toEqual({ negated: false, text: "http://x" })
  })
})

describe("rows of the list", () => {
  const row: DeviceRow = {
    id: "d",
    name: "n",
    descr: "",
    device_key: "",
    tags: {},
    create_time: 1,
    alarm: {},
    active: { attributes: 100, connect: 900 },
    online: false,
    type: "",
    view_token: "v",
    values: { t: { value: 1, ts: 100 } },
  }

  it("follow their devices", () => {
    expect(moved(row, "online", { online: true, ts: 200 }, []).online).toBe(true)
    expect(moved(row, "alarm", { alerting: true, alarm_level: 2, ts: 200 }, []).alarm.alarm_level).toBe(2)
    const next = moved(row, "attributes", { attributes: { t: 2, u: 3 }, ts: 200 }, ["t"])
    expect(next.values).toEqual({ t: { value: 2, ts: 200 } })
    expect(lastReport(next)).toBe(200)
  })

  it("are not moved back by reports of the past", () => {
    const next = moved(row, "attributes", { attributes: { t: 9 }, ts: 50 }, ["t"])
    expect(next.values?.t).toEqual({ value: 1, ts: 100 })
    expect(lastReport(next)).toBe(100)
  })
})

describe("a new device", () => {
  it("takes tags as lines or in a row", () => {
    expect(parseTags("site=north\nfloor: 2, spare")).toEqual({ site: "north", floor: "2", spare: "" })
    expect(parseTags(" \n")).toEqual({})
    expect(parseTags("=x")).toBeNull()
  })

  it("shows groups by their path", () => {
    const tree = [{ id: "a", name: "A", children: [{ id: "b", name: "B", children: [] }] }]
    expect(flatGroups(tree)).toEqual([
      { id: "a", label: "A" },
      { id: "b", label: "A / B" },
    ])
  })
})
