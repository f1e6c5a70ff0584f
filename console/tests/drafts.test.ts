import { effectScope, nextTick, type EffectScope } from "vue"
import { afterEach, beforeEach, describe, expect, it } from "vitest"
import { dropDrafts, useDraft } from "@/lib/draft"
import { useKeys } from "@/lib/keys"
import { preferences } from "@/lib/preferences"

let scope: EffectScope
beforeEach(() => {
  sessionStorage.clear()
  scope = effectScope()
})
afterEach(() => scope.stop())
const within = <T>(make: () => T): T => scope.run(make) as T
/** What a reload does: the page goes, and comes anew. */
async function reload(): Promise<void> {
  await nextTick()
  scope.stop()
  scope = effectScope()
}

describe("a draft", () => {
  const READ = { name: "Pump", tags: { site: "north", floor: "2" } }

  it("is there again after a reload", async () => {
    within(() => useDraft("device/d1", READ)).value.value.name = "Pump 7"
    await reload()
    const draft = within(() => useDraft("device/d1", READ))
    expect([draft.value.value.name, draft.restored.value, draft.dirty.value]).toEqual(["Pump 7", true, true])
  })

  it("differs deeply, whatever the order of members, or not at all", () => {
    const draft = within(() => useDraft("device/d1", READ))
    expect(draft.dirty.value).toBe(false)
    draft.value.value.tags.site = "south"
    expect(draft.dirty.value).toBe(true)
    draft.value.value.tags = { floor: "2", site: "north" }
    expect(draft.dirty.value).toBe(false)
  })

  it("does not touch what was read", () => {
    within(() => useDraft("device/d1", READ)).value.value.tags.site = "south"
    expect(READ.tags.site).toBe("north")
  })

  it("of an older state is not taken up: it would undo what somebody else has saved", async () => {
    within(() => useDraft("device/d1", READ)).value.value.name = "Pump 7"
    await reload()
    const draft = within(() => useDraft("device/d1", { ...READ, name: "Well" }))
    expect([draft.value.value.name, draft.restored.value]).toEqual(["Well", false])
    // Who can put both together finds it, with the state on which it was begun.
    expect(draft.outdated).toEqual({ base: READ, value: { ...READ, name: "Pump 7" } })
  })

  it("is forgotten once it is saved, and at log-out", async () => {
    const draft = within(() => useDraft("device/d1", READ))
    draft.value.value.name = "Pump 7"
    draft.reset({ ...READ, name: "Pump 7" })
    within(() => useDraft("device/d2", READ)).value.value.name = "x"
    await reload()
    expect(within(() => useDraft("device/d1", { ...READ, name: "Pump 7" })).restored.value).toBe(false)
    expect(sessionStorage.length).toBe(1)
    dropDrafts()
    expect(sessionStorage.length).toBe(0)
  })
})

describe("keys", () => {
  function press(key: string, target: EventTarget = document.body, more: KeyboardEventInit = {}): void {
    target.dispatchEvent(new KeyboardEvent("keydown", { key, bubbles: true, cancelable: true, ...more }))
  }

  it("act alone and one after the other", () => {
    const done: string[] = []
    within(() =>
      useKeys({ "/": () => done.push("search"), "g d": () => done.push("devices"), d: () => done.push("d") }),
    )
    for (const key of ["/", "g", "d", "d"]) press(key)
    expect(done).toEqual(["search", "devices", "d"])
  })

  it("do not act while somebody types, with modifiers, in a dialog, or when they are switched off", () => {
    const done: string[] = []
    within(() => useKeys({ j: () => done.push("j") }))
    const input = document.body.appendChild(document.createElement("input"))
    press("j", input)
    press("j", document.body, { ctrlKey: true })
    const dialog = document.body.appendChild(document.createElement("dialog"))
    dialog.setAttribute("open", "")
    press("j")
    dialog.remove()
    input.remove()
    preferences.keys = false
    press("j")
    preferences.keys = true
    expect(done).toEqual([])
    press("j")
    expect(done).toEqual(["j"])
  })

  it("go with the component that bound them", () => {
    const done: string[] = []
    within(() => useKeys({ j: () => done.push("page") }))
    const inner = effectScope()
    inner.run(() => useKeys({ j: () => done.push("inner") }))
    press("j")
    inner.stop()
    press("j")
    expect(done).toEqual(["inner", "page"])
  })
})
