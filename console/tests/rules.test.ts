import { expect, test } from "vitest"
import type { Condition } from "@/lib/conditions"
import { askedOf, limitsOf, raisesByDevice, spansOf, type DryRun, type Outcome } from "@/pages/rules/dryRun"
import {
  changedTo,
  depthOf,
  formOf,
  KINDS,
  kindOf,
  levelsOf,
  patchOf,
  reevaluates,
  withAttribute,
  type Rule,
  type RuleForm,
} from "@/pages/rules/model"
import { conditionOf, outcomeText } from "@/pages/rules/texts"

const hot: Condition = { attribute: "t", op: ">", value: 80 }
const rule: RuleForm = { name: "Too hot", type: "t1", level: 2, raise: hot }
const stored = {
  ...rule,
  id: "r1",
  descr: "",
  devices: [],
  enabled: true,
  disabled_devices: [],
  raise_delay_ms: 0,
  raise_count: 1,
  clear_count: 1,
  notify: [],
  failing: "",
  create_time: 1,
  version: 3,
} as unknown as Rule

test("the JSON of a rule is the shortest that says the same, and a change of it sets back what was left out", () => {
  expect(formOf(stored)).toEqual(rule)
  expect(patchOf(rule)).toMatchObject({ name: "Too hot", type: "t1", clear: null, schedule: null, raise_count: 1 })
  expect(patchOf(rule)).not.toHaveProperty("levels")
  expect(patchOf(rule)).not.toHaveProperty("devices")
  const several: RuleForm = {
    name: "x",
    devices: ["d1"],
    levels: [
      { level: 1, raise: hot },
      { level: 3, raise: hot },
    ],
  }
  expect(patchOf(several)).not.toHaveProperty("raise")
  expect(levelsOf(several).map(({ level }) => level)).toEqual([3, 1])
})

test("another name or other people to tell clear no alarm, another condition does", () => {
  expect(reevaluates(stored, { ...rule, name: "Hot", notify: [{ group: "g" }] })).toBe(false)
  expect(reevaluates(stored, { ...rule, raise: { ...hot, value: 81 } })).toBe(true)
  expect(reevaluates(stored, { ...rule, raise_delay_ms: 1000 })).toBe(true)
})

test("every shape is known again, and keeps the attribute of the one before", () => {
  for (const kind of KINDS) {
    const made = changedTo(kind, hot)
    expect(kindOf(made)).toBe(kind)
    if (kind !== "offline") expect(JSON.stringify(made)).toContain('"t"')
  }
  expect(depthOf({ and: [hot, { not: { or: [hot, hot] } }] })).toBe(4)
  expect(withAttribute({ and: [{ ...hot, attribute: "" }, hot] }, "x")).toEqual({
    and: [{ ...hot, attribute: "x" }, hot],
  })
})

test("a rule is tried when it is whole, and a name tries nothing anew", () => {
  expect(askedOf({ name: "" })).toBeNull()
  expect(askedOf({ ...rule, raise: { ...hot, attribute: "" } })).toBeNull()
  expect(askedOf({ ...rule, type: undefined })).toBeNull()
  expect(askedOf(rule)).toBe(askedOf({ ...rule, name: "other", notify: [{ group: "g" }] }))
  expect(askedOf({ name: "", type: "t1", raise: { offline_ms: 1 } })).not.toBeNull()
})

test("spans last from a raise to the next change, an open one to the end", () => {
  const item = (ts: number, alarm_status: number, alarm_level: number, device_id = "a") => ({
    ts,
    alarm_status,
    alarm_level,
    device_id,
  })
  const run = { items: [item(10, 1, 1), item(20, 1, 3), item(30, 0, 3), item(40, 1, 2), item(15, 1, 1, "b")] } as DryRun
  const outcome: Outcome = { run, from: 0, to: 100, tookMs: 1 }
  expect(spansOf(outcome, "a")).toEqual([
    { from: 10, to: 20, level: 1 },
    { from: 20, to: 30, level: 3 },
    { from: 40, to: 100, level: 2 },
  ])
  expect(raisesByDevice(run)).toEqual([
    ["a", 2],
    ["b", 1],
  ])
})

test("limits are lines: of the raise, of the clear, and of a deadband", () => {
  const lines = limitsOf({ ...rule, raise: { ...hot, deadband: 5 } }, () => "°C")
  expect(lines.map(({ kind, value, unit }) => [kind, value, unit])).toEqual([
    ["raise", 80, "°C"],
    ["clear", 75, "°C"],
  ])
})

test("what came of an evaluation is told in words", () => {
  expect(conditionOf(rule)).toBe("t > 80")
  const at = (ms: number) => `<${ms}>`
  expect(outcomeText("raise does not hold", at)).toBe("the condition does not hold")
  expect(outcomeText("level 2 raise holds since 5; it takes effect at 9", at)).toBe(
    "holds since <5>; takes effect at <9>",
  )
  expect(outcomeText("level 1 raise holds for 2 of 3 values", at)).toBe("holds for 2 of 3 values")
  expect(outcomeText("outside the hours of the schedule; raise does not hold", at)).toContain("outside of its hours")
})
