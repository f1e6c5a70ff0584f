import { describe, expect, it } from "vitest"
import { language } from "@/i18n"
import { hasSecret } from "@/forms/config"
import { selectionText } from "@/forms/selection"
import { wrongLineOf } from "@/pages/actions/lines"
import { functionFor, kindOfAction, newAction } from "@/pages/actions/model"
import {
  bodyOf,
  formOf as targetOf,
  hidesSecrets as targetHides,
  NEW_TARGET,
  placeText,
} from "@/pages/forwarding/model"
import { copyOf, formOf, hidesSecrets, jsonOf, patchOf, withOn, type RuleJson } from "@/pages/messageRules/model"
import { effectText, functionOffText } from "@/pages/messageRules/texts"
import { newGroup, newRegister } from "@/pages/modbus/model"
import { changedTo, formOf as taskOf, jsonOf as taskJson, wayOf } from "@/pages/tasks/model"

const RULE: RuleJson = {
  name: "Fan",
  on: "after_report",
  type: "t1",
  if: { attribute: "temperature", op: ">", value: 30 },
  actions: [{ push: { fan: true }, delay_ms: 1000 }],
}

describe("a message rule", () => {
  it("is the same after a form", () => expect(jsonOf(formOf(RULE))).toEqual(RULE))
  it("is copied without what the server hides", () => {
    const actions = [
      { url: "https://a.example", secret: "***" },
      { mqtt: { url: "mqtts://b.example", topic: "***", user_name: "u", password: "***" } },
      { push: { key: "***" } },
    ]
    expect(hidesSecrets({ ...RULE, actions })).toBe(true)
    expect(copyOf({ ...RULE, enabled: false, actions })).toMatchObject({
      enabled: true,
      actions: [
        { url: "https://a.example" },
        { mqtt: { url: "mqtts://b.example", topic: "***", user_name: "u" } },
        { push: { key: "***" } },
      ],
    })
    expect(hidesSecrets(RULE)).toBe(false)
  })
  it("changes its source as one", () => {
    expect(patchOf({ source: { devices: ["d1"] }, version: 3 })).toEqual({ type: null, devices: ["d1"], version: 3 })
    expect(patchOf({ source: { type: "t1" } })).toEqual({ type: "t1", devices: null })
    expect(patchOf({ if: null })).toEqual({ if: null })
  })
  it("loses what has no meaning about other messages", () => {
    const before = withOn(formOf(RULE), "before_report")
    expect(before.actions).toEqual([{ function: functionFor("before_report") }])
    expect(withOn(formOf(RULE), "data").if).toBeNull()
    expect(withOn({ ...formOf(RULE), identifier: "x" }, "after_push").identifier).toBe("")
    expect(withOn(formOf(RULE), "event").actions).toEqual(RULE.actions)
  })
  it("keeps a function that was written, without device and delay before a report", () => {
    const written = { ...formOf(RULE), actions: [{ function: "mine", device: "d2", delay_ms: 5 }] }
    expect(withOn(written, "before_push").actions).toEqual([{ function: "mine" }])
  })
})

describe("what came of a rule", () => {
  it("is told of a function that is off in the words of the reader", () => {
    language.value = "zh"
    expect(functionOffText("3 failures in a row; the last: Error: bad (line 2)")).toBe(
      "连续失败 3 次，最后一次：Error: bad (line 2)",
    )
    expect(functionOffText("20 failures within 10 minutes; the last: Error")).toBe(
      "10 分钟内失败 20 次，最后一次：Error",
    )
    expect(functionOffText("some other")).toBe("some other")
  })
  it("is not done for an address outside before it was delivered", () => {
    language.value = "zh"
    expect(effectText("url", "acted")).toBe("等待送达")
    expect(effectText("mqtt", "")).toBe("等待送达")
    expect(effectText("mqtt", "delivered")).toBe("已送达")
    expect(effectText("push", "acted")).toBe("已执行")
  })
})

describe("an action", () => {
  it("of another kind keeps its values, its device and its delay", () => {
    const next = newAction("set", "after_report", { push: { fan: true }, device: "d2", delay_ms: 5 })
    expect(next).toEqual({ set: { fan: true }, device: "d2", delay_ms: 5 })
    expect(kindOfAction(next)).toBe("set")
  })
  it("names the line of an error", () => {
    expect(wrongLineOf("Error: no (line 3)")).toBe(3)
    expect(wrongLineOf("Error: no")).toBeUndefined()
  })
})

describe("secrets", () => {
  it("are found wherever they were typed, but not where the server hides them", () => {
    expect(hasSecret({ config: { mqtt: { password: "x" } } })).toBe(true)
    expect(hasSecret({ actions: [{ url: "https://a", secret: "x" }] })).toBe(true)
    expect(hasSecret({ config: { url: { headers: { "X-Token": "x" } } } })).toBe(true)
    expect(hasSecret({ config: { url: { secret: "***", headers: { "X-Token": "***" } } } })).toBe(false)
    expect(hasSecret({ config: { url: { url: "https://a" } }, tags: {} })).toBe(false)
    expect(targetHides({ url: { secret: "***" } })).toBe(true)
  })
})

describe("a forwarding target", () => {
  it("is sent with the config of its kind", () => {
    const form = targetOf({ name: "a", kinds: ["event"], kafka: { servers: ["h:9092"], topic: "t" } })
    expect(bodyOf(form)).toMatchObject({ name: "a", kinds: ["event"], kafka: { topic: "t" } })
    expect(placeText(form.config)).toBe("h:9092 · t")
    expect(bodyOf(NEW_TARGET)).not.toHaveProperty("config")
  })
})

describe("a task", () => {
  it("keeps bounds when its schedule becomes another, but not for one instant", () => {
    const from = { cron: "0 8 * * *", timezone: "Europe/Berlin", max_runs: 3 }
    expect(changedTo("every", from, 0)).toEqual({ every_ms: 3_600_000, max_runs: 3 })
    expect(changedTo("at", from, 1)).toEqual({ at: 7_200_000 })
    expect(wayOf(changedTo("sun", from, 0))).toBe("sun")
  })
  it("is the same after a form", () => {
    const task = { name: "a", schedule: { every_ms: 60_000 }, filter: { tag: ["x"] }, action: { push: { a: 1 } } }
    expect(taskJson(taskOf(task))).toEqual({ ...task, missed: "once" })
  })
  it("tells its devices", () => {
    expect(selectionText({ filter: { type: "t1", tag: ["site:south"] } }, new Map([["t1", "Meters"]]))).toBe(
      "Meters, site:south",
    )
  })
})

describe("a register", () => {
  it("follows the last one of its request", () => {
    const group = { ...newGroup(), address: 10 }
    const first = newRegister(group, "a")
    expect(first).toEqual({ attribute: "a", address: 10, type: "uint16", order: "ABCD" })
    const wide = { ...group, registers: [{ ...first, type: "float32" as const }] }
    expect(newRegister(wide, "b").address).toBe(12)
    expect(newRegister({ ...group, function: 1 }, "c")).toEqual({ attribute: "c", address: 10 })
  })
})
