import { expect, test } from "vitest"
import { toCsv } from "@/lib/csv"
import { fromDraft, toDraft } from "@/pages/device/editing"
import { intervalLength, noteOf, toCurve, type Series } from "@/pages/device/history"
import { moved } from "@/pages/device/liveAttributes"
import type { Attribute, DataType } from "@/pages/device/model"
import { canPush, currentText, drawnAs, valueText } from "@/pages/device/values"

const NOW = 1_800_000_000_000
const attribute = (members: Partial<Attribute> = {}): Attribute => ({
  identifier: "temperature",
  value: 20,
  attr_type: "both",
  data_type: "number",
  ts: NOW - 1000,
  source: "report",
  ...members,
})

test("values are told in the words of their definition", () => {
  expect(valueText(20.126, "number", { precision: 1 })).toBe("20.1")
  expect(valueText(true, "switch", { on: "running", off: "stopped" })).toBe("running")
  expect(valueText(false, "switch")).toBe("off")
  expect(valueText("m", "enum", { items: [{ value: "m", name: "Manual" }] })).toBe("Manual")
  expect(valueText("x", "enum", { items: [] })).toBe("x")
  expect(valueText({ lat: 39.9, lng: 116.4 }, "map_point")).toBe("39.9, 116.4")
  expect(valueText({ a: [1] }, "object")).toBe('{"a":[1]}')
  expect(valueText(null, "number")).toBe("—")
  expect(currentText(attribute({ value: "<b>", data_type: "text" }))).toBe("<b>")
})

test("what is drawn and what may be pushed follow the definition", () => {
  expect(["number", "switch", "enum", "text", "object"].map((data_type) => drawnAs({ data_type: data_type as DataType }))).toEqual([
    "line", "states", "states", "states", "table",
  ]) // prettier-ignore
  const model = { name: "", data_type: "number", data_options: {} } as const
  expect(canPush(attribute({ model: { ...model, attr_type: "report" } }))).toBe(false)
  expect(canPush(attribute({ model: { ...model, attr_type: "push" } }))).toBe(true)
  expect(canPush(attribute())).toBe(true)
})

test("a message that came after the reading wins, also where an earlier clock was ahead", () => {
  const live = { value: 21, ts: NOW, cameAt: NOW }
  expect(moved(attribute(), "temperature", live)).toMatchObject({ value: 21, ts: NOW, source: "report" })
  expect(moved(attribute({ ts: NOW + 1e9 }), "temperature", live)).toMatchObject({ value: 21 })
})

test("a report of the past does not become the current value", () => {
  const known = attribute()
  expect(moved(known, "temperature", { value: 5, ts: NOW - 3_600_000, cameAt: NOW })).toBe(known)
  expect(moved(undefined, "temperature", { value: 5, ts: NOW - 3_600_000, cameAt: NOW })).toMatchObject({ value: 5 })
})

test("a push keeps what the device reported until it reports again", () => {
  const pushed = moved(attribute(), "temperature", { value: 30, ts: NOW, source: "push", cameAt: NOW })
  expect(pushed).toMatchObject({ value: 30, source: "push", reported: { value: 20, ts: NOW - 1000 } })
  const again = moved(pushed, "temperature", { value: 31, ts: NOW + 1, source: "push", cameAt: NOW + 1 })
  expect(again?.reported).toEqual({ value: 20, ts: NOW - 1000 })
  const confirmed = moved(again, "temperature", { value: 31, ts: NOW + 2, source: "report", cameAt: NOW + 2 })
  expect(confirmed).toMatchObject({ source: "report", reported: undefined })
})

test("drafts of values become values, and say what is wrong", () => {
  const through = (value: unknown, type: DataType) => fromDraft(toDraft(value, type), type)
  expect(through(1.5, "number")).toEqual({ value: 1.5 })
  expect(through("it's", "text")).toEqual({ value: "it's" })
  expect(through(false, "switch")).toEqual({ value: false })
  expect(through("auto", "enum")).toEqual({ value: "auto" })
  expect(through(3, "enum")).toEqual({ value: 3 })
  expect(through({ a: [1] }, "object")).toEqual({ value: { a: [1] } })
  expect(through({ lat: 1, lng: 2 }, "map_point")).toEqual({ value: { lat: 1, lng: 2 } })
  const wrong = (text: string, type: DataType, options = {}) => fromDraft({ text, second: "" }, type, options)
  expect(wrong("x", "number")).toEqual({ wrong: "attributes.wrongNumber" })
  expect(wrong("", "number")).toEqual({ wrong: "attributes.wrongNumber" })
  expect(wrong("11", "number", { max: 10 })).toEqual({ wrong: "attributes.wrongRange" })
  expect(wrong("{", "object")).toEqual({ wrong: "attributes.wrongJson" })
  expect(wrong("", "enum")).toEqual({ wrong: "attributes.wrongEmpty" })
  expect(wrong("91", "map_point")).toEqual({ wrong: "attributes.wrongPlace" })
})

test("beside a chart stands what it shows of how much", () => {
  const series = (members: Partial<Series>): Series => ({
    attribute: attribute(),
    ts: [],
    values: [],
    total: 0,
    ...members,
  })
  expect(noteOf([series({ ts: [1, 2], values: [1, 2], total: 2 })])).toBe("2 points")
  expect(noteOf([series({ ts: [1, 2], values: [1, 2], total: 9 })])).toBe("2 of 9 points")
  expect(noteOf([series({ total: 20_976, bucket: 600_000 })])).toBe("20,976 points; mean and range of each 10 min")
})

test("spans of bands have a length, however they are named", () => {
  expect(["1800000", "5s", "30m", "2h", "1d", "1w", "1mo"].map(intervalLength)).toEqual([
    1_800_000, 5000, 1_800_000, 7_200_000, 86_400_000, 604_800_000, 2_592_000_000,
  ])
})

test("what is no number is a gap in a curve", () => {
  const curve = toCurve({ attribute: attribute(), ts: [1, 2, 3], values: [1, "x", 3], total: 3 }, 0)
  expect(curve.value).toEqual([1, null, 3])
})

test("a spreadsheet runs nothing of what devices send", () => {
  expect(toCsv([["=1+1", "-x", 'a "b"', -1, null, { a: 1 }, "温度, °C"]])).toBe(
    '\ufeff\'=1+1,\'-x,"a ""b""",-1,,"{""a"":1}","温度, °C"\r\n',
  )
})
