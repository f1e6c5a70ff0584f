import { expect, test } from "vitest"
import {
  fromLog,
  fromTrace,
  gap,
  kindOf,
  passes,
  Ring,
  shown,
  toNdjson,
  viewsOf,
  type Message,
  type Traced,
} from "@/pages/device/debug/messages"

function traced(over: Partial<Traced> = {}): Traced {
  return {
    direction: "up",
    plane: "mqtt",
    topic: "attributes",
    payload: '{"t":1}',
    encoding: "text",
    cut: false,
    size_bytes: 7,
    qos: 1,
    outcome: "accepted",
    errors: [],
    took_us: 1500,
    suppressed: 0,
    ts: 1000,
    ...over,
  }
}
const message = (over: Partial<Traced> = {}): Message => fromTrace(traced(over))

test("topics have a kind, those of gateways too", () => {
  expect(kindOf("attributes/get/response/7")).toBe("attributes")
  expect(kindOf("gateway/command/send")).toBe("command")
  expect(kindOf("gateway/connect")).toBe("connection")
  expect(kindOf("log-in")).toBe("connection")
  expect(kindOf("some/topic")).toBe("other")
})

test("the ring keeps the newest and counts all", () => {
  const ring = new Ring(10)
  for (let ts = 0; ts < 100; ts += 1) ring.add(message({ ts }))
  expect(ring.newest().map((one) => one.ts)).toEqual([99, 98, 97, 96, 95, 94, 93, 92, 91, 90])
  expect(ring.came).toBe(100)
  ring.clear()
  expect(ring.newest()).toEqual([])
})

test("filters go by kind, outcome and text of topic and payload", () => {
  const all = { kinds: new Set<never>(), outcomes: new Set<never>(), text: "" }
  expect(passes(message(), all)).toBe(true)
  expect(passes(message(), { ...all, kinds: new Set(["event"]) })).toBe(false)
  expect(passes(message(), { ...all, outcomes: new Set(["accepted"]) })).toBe(true)
  expect(passes(message({ payload: "Hot" }), { ...all, text: " hot" })).toBe(true)
  expect(passes(message(), { ...all, text: "cold" })).toBe(false)
})

test("a payload is shown as JSON, text and bytes, as far as it is one", () => {
  expect(viewsOf(message())).toEqual(["json", "text", "hex"])
  expect(viewsOf(message({ payload: "{" }))).toEqual(["text", "hex"])
  expect(viewsOf(message({ payload: "01ff", encoding: "hex" }))).toEqual(["hex"])
  expect(shown(message(), "json")).toBe('{\n  "t": 1\n}')
  expect(shown(message({ payload: "014aff", encoding: "hex" }), "hex")).toMatch(/^0000 {2}01 4a ff\s+·J·$/)
  expect(shown(message({ payload: "温" }), "hex")).toContain("e6 b8 a9")
})

test("entries of the log look like live ones", () => {
  const why = { field: "t", message: "must be a number", code: "must_be_number", args: {} }
  const rejected = { ts: 5, topic: "attributes", reason: "values", errors: [why], payload: "hex:ff", suppressed: 2 }
  const refused = fromLog({ ts: 5, kind: "rejected", rejected })
  expect(refused).toMatchObject({ outcome: "refused", payload: "ff", encoding: "hex", errors: [why], suppressed: 2 })
  const data = fromLog({
    ts: 6,
    kind: "data",
    data: { identifier: "raw", direction: "down", size_bytes: 2, payload: "on" },
  })
  expect(data).toMatchObject({ topic: "data/raw/set", direction: "down", outcome: "delivered" })
})

test("a time without a connection of the page is marked", () => {
  expect(gap(5)).toMatchObject({ ts: 5, outcome: "missed", kind: "connection" })
  expect(viewsOf(gap(5))).toEqual(["text", "hex"])
})

test("an export has one JSON object a line, oldest first", () => {
  const lines = toNdjson([message({ ts: 2 }), message({ ts: 1 })])
    .trim()
    .split("\n")
    .map((line) => JSON.parse(line) as Message)
  expect(lines.map((line) => line.ts)).toEqual([1, 2])
  expect(lines[0]).not.toHaveProperty("key")
})
