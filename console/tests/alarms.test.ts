import { beforeEach, expect, test, vi } from "vitest"
import { actOnMany, clearReason, type Alarm } from "@/lib/alarms"
import { conditionText, leavesOf, type Condition } from "@/lib/conditions"
import { addressOf, filterOf, readState } from "@/pages/alarms/list"
import { stepsOf } from "@/pages/alarms/timeline"

const calls: { url: string; body: Record<string, unknown> }[] = []
const answers: Record<string, unknown>[] = []
beforeEach(() => {
  calls.length = 0
  answers.length = 0
  vi.stubGlobal("fetch", (url: string, request: { body: string }) => {
    calls.push({ url, body: JSON.parse(request.body) as Record<string, unknown> })
    return Promise.resolve(new Response(JSON.stringify({ result: true, info: answers.shift() })))
  })
})
const results = (ids: string[], more: Record<string, unknown> = {}) => ({
  done: ids.length,
  unchanged: 0,
  refused: 0,
  remaining: 0,
  items: ids.map((id) => ({ id, result: "done" })),
  ...more,
})

test("ids are sent in calls of a thousand", async () => {
  const ids = Array.from({ length: 1001 }, (_, index) => `a${index}`)
  answers.push(results(ids.slice(0, 1000)), results(ids.slice(1000), { unchanged: 2 }))
  const many = await actOnMany("acknowledge", { ids })
  expect(calls.map(({ body }) => (body.ids as string[]).length)).toEqual([1000, 1])
  expect([many.done.length, many.unchanged]).toEqual([1001, 2])
})

test("a filter is followed until nothing is left, a shelf with the end of the first call", async () => {
  answers.push(
    results(["a"], { remaining: 2, until: 77, unchanged: 5 }),
    results(["b"], { remaining: 1, until: 77, unchanged: 6 }),
    results([], { remaining: 1, items: [{ id: "c", result: "refused", message: "gone" }] }),
  )
  const heard: number[] = []
  const many = await actOnMany("shelve", { filter: { status: 1 } }, { for_ms: 5 }, (done) => heard.push(done))
  expect(calls.map(({ body }) => [body.for_ms, body.until])).toEqual([
    [5, undefined],
    [undefined, 77],
    [undefined, 77],
  ])
  expect(many).toEqual({ done: ["a", "b"], unchanged: 5, refused: [{ id: "c", message: "gone" }] })
  expect(heard).toEqual([1, 2, 2])
})

test("the address holds the view and its filters, and gives them back", () => {
  const state = readState({ view: "all", level: "3", keyword: "hot", type: "t1" })
  expect(readState(addressOf(state))).toEqual(state)
  expect(filterOf(state)).toEqual({ level: 3, keyword: "hot", type: "t1" })
  expect(filterOf(readState({ view: "nonsense", level: "9" }))).toEqual({ attention: true })
})

test("conditions read as sentences", () => {
  const nested: Condition = {
    and: [
      { attribute: "t", op: ">=", value: 20.5, deadband: 2 },
      { or: [{ not: { attribute: "mode", op: "==", value: "auto" } }, { no_data_ms: 600_000 }] },
    ],
  }
  expect(conditionText(nested, (name) => name.toUpperCase())).toBe(
    "T ≥ 20.5 (deadband 2) and (not (MODE = “auto”) or nothing arrived for 10 min)",
  )
  expect(conditionText({ attribute: "t", op: "between", value: [1, 2] })).toBe("t between 1 and 2")
  expect(leavesOf(nested)).toHaveLength(3)
})

test("what happened to an alarm stands in order, attempts to tell the same receiver together", () => {
  const log = (ts: number, state: string) => ({ channel: "webhook", target: "x", state, message: "", ts })
  const message = { id: "a", alarm_id: "a", alarm_status: 1, alarm_level: 2, alarm_info: {}, ts: 10, create_time: 10 }
  const alarm = {
    acknowledged_at: 30,
    acknowledged_by: "ann",
    comments: [{ text: "hm", by: "bob", ts: 40 }],
  } as unknown as Alarm
  const cleared = { ...message, id: "c", alarm_status: 0, ts: 50, alarm_info: { reason: "cleared by ann" } }
  const steps = stepsOf(alarm, [
    { ...cleared, notify_logs: [] },
    { ...message, notify_logs: [log(11, "waiting"), log(20, "sent")] },
  ])
  expect(steps.map((step) => [step.kind, step.ts])).toEqual([
    ["clear", 50],
    ["comment", 40],
    ["acknowledge", 30],
    ["notice", 20],
    ["raise", 10],
  ])
  expect(steps[3]).toMatchObject({ attempts: 2, log: { state: "sent" } })
  expect(clearReason("cleared by ann")).toContain("ann")
})
