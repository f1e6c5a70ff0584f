import { describe, expect, it } from "vitest"
import type { Attribute } from "@/pages/device/model"
import { difference, members, merge, withEntry } from "@/pages/type/changes"
import { checkFunctions } from "@/pages/type/check"
import { undefinedAttributes } from "@/pages/type/infer"
import { newEntry, noFunctions, same, type AttributeEntry, type Functions } from "@/pages/type/model"
import { moveItem } from "@/pages/type/order"
import { parseFunctions, toFunctions } from "@/pages/type/parse"

const attribute = (identifier: string, members: Partial<AttributeEntry> = {}): AttributeEntry => ({
  ...(newEntry("attributes") as AttributeEntry),
  identifier,
  ...members,
})
const withAttributes = (...attributes: AttributeEntry[]): Functions => ({ ...noFunctions(), attributes })
const names = (functions: Functions) => functions.attributes.map(({ identifier }) => identifier)

describe("the changes of two people", () => {
  const base = withAttributes(attribute("a"), attribute("b"), attribute("c"))

  it("are both kept where they are of different entries", () => {
    const mine = withAttributes(attribute("a", { name: "mine" }), attribute("b"), attribute("c"), attribute("new"))
    const theirs = withAttributes(attribute("a"), attribute("b", { name: "theirs" }), attribute("their"))
    const { functions, conflicts } = merge(base, mine, theirs)
    expect(conflicts).toEqual([])
    expect(names(functions)).toEqual(["a", "b", "their", "new"])
    expect(functions.attributes[0]?.name).toBe("mine")
    expect(functions.attributes[1]?.name).toBe("theirs")
  })

  it("meet where both changed one entry, or one changed what the other removed", () => {
    const mine = withAttributes(attribute("a", { name: "mine" }), attribute("b", { name: "mine" }), attribute("c"))
    const theirs = withAttributes(attribute("a", { name: "theirs" }), attribute("c"))
    const { functions, conflicts } = merge(base, mine, theirs)
    expect(conflicts.map(({ identifier }) => identifier)).toEqual(["a", "b"])
    expect(conflicts[1]?.theirs).toBeUndefined()
    expect(functions.attributes.map(({ name }) => name)).toEqual(["mine", "", "mine"])
    const chosen = withEntry(functions, "attributes", "a", conflicts[0]?.theirs)
    expect(chosen.attributes.find(({ identifier }) => identifier === "a")?.name).toBe("theirs")
    expect(names(withEntry(chosen, "attributes", "b", undefined))).toEqual(["a", "c"])
  })

  it("are no conflict where both did the same", () => {
    const same = withAttributes(attribute("a", { name: "both" }), attribute("c"), attribute("d"))
    expect(merge(base, same, same)).toEqual({ functions: same, conflicts: [] })
  })

  it("keep the order of whoever moved something", () => {
    const moved = withAttributes(attribute("c"), attribute("a"), attribute("b"))
    expect(names(merge(base, moved, withAttributes(...base.attributes, attribute("z"))).functions)).toEqual([
      "c",
      "a",
      "b",
      "z",
    ])
    expect(names(merge(base, base, moved).functions)).toEqual(["c", "a", "b"])
  })
})

describe("a difference", () => {
  it("names what was added, changed, removed and moved", () => {
    const before = withAttributes(attribute("a"), attribute("b"), attribute("c"))
    const after = withAttributes(attribute("c"), attribute("b", { data_type: "text" }), attribute("d"))
    const { changes, moved } = difference(before, after)
    expect(changes.map(({ identifier, before: was, after: now }) => [identifier, !!was, !!now])).toEqual([
      ["b", true, true],
      ["d", false, true],
      ["a", true, false],
    ])
    expect(moved).toEqual(["attributes"])
    expect(members(attribute("b"), attribute("b", { data_type: "text" }))).toEqual([
      { member: "data_type", before: "number", after: "text" },
    ])
    expect(difference(before, before)).toEqual({ changes: [], moved: [] })
  })
})

describe("a definition", () => {
  it("is checked by the rules of the server, with its paths and codes", () => {
    const functions: Functions = {
      attributes: [
        attribute("ok", { data_options: { min: 2, max: 1 } }),
        attribute("ok"),
        attribute("not ok"),
        attribute("mode", {
          data_type: "enum",
          data_options: {
            items: [
              { value: "a", name: "" },
              { value: "a", name: "" },
            ],
          },
        }),
        attribute("none", { data_type: "enum" }),
        attribute("text", { data_type: "text", data_options: { unit: "V" } }),
      ],
      events: [{ identifier: "e", name: "", params: [{ ...attribute("p"), data_options: { precision: 11 } }] }],
      commands: [],
      streams: [
        { identifier: "s", name: "", format: "hex", tcp: true },
        { identifier: "t", name: "", format: "hex", tcp: true },
      ],
    }
    expect(checkFunctions(functions).map(({ field, code }) => [field.replace("functions.", ""), code])).toEqual([
      ["attributes[1].identifier", "identifier_repeated"],
      ["attributes[2].identifier", "not_identifier"],
      ["attributes[0].data_options.min", "min_above_max"],
      ["attributes[3].data_options.items[1].value", "enum_value_repeated"],
      ["attributes[4].data_options.items", "enum_items_count"],
      ["attributes[5].data_options.unit", "no_option"],
      ["events[0].params[0].data_options.precision", "integer_in_range"],
      ["streams[1].tcp", "tcp_bound_already"],
    ])
    expect(checkFunctions(withAttributes(attribute("a")))).toEqual([])
  })

  it("is read from JSON with what was left out, alone or as a part of a type", () => {
    const wanted = withAttributes(attribute("t"))
    expect(toFunctions({ attributes: [{ identifier: "t" }] })).toEqual({ functions: wanted })
    expect(toFunctions({ name: "x", conn_type: "1", functions: wanted })).toEqual({ functions: wanted })
    expect(parseFunctions(JSON.stringify(wanted))).toEqual({ functions: wanted })
    const processed = { ...wanted.attributes[0], processing: { scale: 0.1 } }
    expect(toFunctions({ attributes: [processed] })).toEqual({ functions: { ...wanted, attributes: [processed] } })
  })

  it.each([
    ["{", /./],
    ["[]", /functions/],
    ['{"attributes": {}}', /attributes/],
    ['{"attributes": [{"identifer": "t"}]}', /attributes\[0\]\.identifer/],
    ['{"attributes": [{"identifier": 1}]}', /attributes\[0\]\.identifier/],
    ['{"attributes": [{"identifier": "t", "data_type": "int"}]}', /data_type.*number/],
    ['{"commands": [{"identifier": "c", "params": [{"x": 1}]}]}', /commands\[0\]\.params\[0\]\.x/],
    ['{"things": []}', /things/],
  ])("says what is wrong with %s", (text, problem) => {
    const parsed = parseFunctions(text)
    expect("problem" in parsed && parsed.problem).toMatch(problem)
  })

  it("is inferred from what a device sent and nobody defined", () => {
    const item = (identifier: string, value: unknown, more: Partial<Attribute> = {}): Attribute => ({
      identifier,
      value,
      attr_type: "report",
      data_type: "text",
      ts: 1,
      ...more,
    })
    const known = { name: "", attr_type: "report", data_type: "number", data_options: {} } as const
    const found = undefinedAttributes([
      item("known", 1, { model: known }),
      item("never", null, { ts: 0 }),
      item("battery", 3.3),
      item("door", false),
      item("place", { lat: 1, lng: 2 }),
      item("note", "x", { source: "cloud" }),
      item("target", 5, { source: "push" }),
    ])
    expect(found.map(({ identifier, data_type, attr_type }) => [identifier, data_type, attr_type])).toEqual([
      ["battery", "number", "report"],
      ["door", "switch", "report"],
      ["place", "map_point", "report"],
      ["note", "text", "cloud"],
      ["target", "number", "both"],
    ])
  })
})

it("moves an item of a list", () => {
  expect(moveItem(["a", "b", "c"], 0, 2)).toEqual(["b", "c", "a"])
  expect(moveItem(["a", "b", "c"], 2, 0)).toEqual(["c", "a", "b"])
  expect(same({ a: 1, b: [1] }, { b: [1], a: 1 })).toBe(true)
})
