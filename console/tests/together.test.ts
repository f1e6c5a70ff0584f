import { effectScope, type EffectScope } from "vue"
import { afterEach, beforeEach, expect, test, vi } from "vitest"
import { get, put } from "@/api/client"
import { useVersioned, type Changes } from "@/lib/versioned"
import type { RuleForm } from "@/pages/rules/model"
import { rulesTogether } from "@/pages/rules/together"
import { answering, ok, refused } from "./fakes"

interface Info {
  name: string
  descr: string
}
type Thing = Info & { version: number }

let scope: EffectScope
let server: Thing
beforeEach(() => {
  sessionStorage.clear()
  scope = effectScope()
  server = { name: "Pump", descr: "", version: 1 }
  answering(({ method, body }) => {
    if (method === "GET") return ok(server)
    const { version, ...members } = body as Changes<Info>
    if (version !== server.version)
      return refused(409, { code: "version_stale", info: { version: server.version, by: "olga", ts: 1 } })
    server = { ...server, ...members, version: server.version + 1 }
    return ok({})
  })
})
afterEach(() => {
  scope.stop()
  vi.unstubAllGlobals()
})

const READ: Thing = { name: "Pump", descr: "", version: 1 }
const edited = (meanwhile: () => void = () => undefined) =>
  scope.run(() =>
    useVersioned<Info, Thing>({
      key: "thing/1",
      item: () => READ,
      fields: ["name", "descr"],
      read: () => get<Thing>("/thing"),
      send(changes) {
        const answer = put("/thing", changes)
        meanwhile()
        return answer
      },
      done: () => undefined,
    }),
  ) as ReturnType<typeof useVersioned<Info, Thing>>
const olga = (members: Partial<Info>) => (server = { ...server, ...members, version: server.version + 1 })

test("what two people changed in different fields is kept of both", async () => {
  const form = edited()
  form.draft.value.value.descr = "in the cellar"
  olga({ name: "Well" })
  await form.save.run()
  expect(server).toMatchObject({ name: "Well", descr: "in the cellar" })
  expect(form.theirs.value).toBeNull()
  expect(form.draft.dirty.value).toBe(false)
})

test("what is typed while it is saved stays, to be saved next", async () => {
  const form = edited(() => {
    form.draft.value.value.descr = "in the cellar"
  })
  form.draft.value.value.name = "Well"
  await form.save.run()
  expect(server).toMatchObject({ name: "Well", descr: "" })
  expect([form.draft.value.value, form.draft.dirty.value]).toEqual([{ name: "Well", descr: "in the cellar" }, true])
  await form.save.run()
  expect(server.descr).toBe("in the cellar")
})

test("of a field that both changed, who it was is told, and mine is saved only when that is chosen", async () => {
  const form = edited()
  form.draft.value.value = { name: "Pump 7", descr: "" }
  olga({ name: "Well", descr: "deep" })
  await form.save.run()
  expect(form.saver.value?.by).toBe("olga")
  expect(form.differences.value).toEqual([{ field: "name", theirs: "Well", mine: "Pump 7" }])
  expect(server.name).toBe("Well")
  await form.save.run()
  expect(server).toMatchObject({ name: "Pump 7", descr: "deep" })
})

test("a choice of mine does not undo what came while I chose", async () => {
  const form = edited()
  form.draft.value.value.name = "Pump 7"
  olga({ name: "Well" })
  await form.save.run()
  olga({ descr: "deep" })
  await form.save.run()
  expect(server).toMatchObject({ name: "Pump 7", descr: "deep" })
})

test("taking theirs leaves what is on the server", async () => {
  const form = edited()
  form.draft.value.value.name = "Pump 7"
  olga({ name: "Well" })
  await form.save.run()
  form.discard()
  expect([form.draft.value.value.name, form.draft.dirty.value, server.name]).toEqual(["Well", false, "Well"])
})

test("a rule gets the name of one and the limit of the other; two limits clash", () => {
  const limit = (value: number) => ({ attribute: "t", op: ">", value }) as RuleForm["raise"]
  const rule = { name: "Hot", type: "k1", level: 2, raise: limit(80) } as RuleForm
  const renamed = { ...rule, name: "Too hot" }
  const { form, clash } = rulesTogether(rule, renamed, { ...rule, raise: limit(70) })
  expect([form.name, form.raise, clash]).toEqual(["Too hot", limit(70), false])
  expect(rulesTogether(rule, { ...rule, raise: limit(90) }, { ...rule, raise: limit(70) }).clash).toBe(true)
})
