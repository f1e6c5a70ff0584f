import { mount } from "@vue/test-utils"
import { describe, expect, it } from "vitest"
import GroupTree from "@/pages/groups/GroupTree.vue"
import { above, mayGo, placed, shownGroups, type Group } from "@/pages/groups/tree"

const group = (id: string, children: Group[] = []): Group => ({
  id,
  name: id.toUpperCase(),
  descr: "",
  tags: {},
  children,
  device_count: 0,
  device_count_below: 0,
})
const roots = [group("a", [group("b", [group("c")]), group("d")]), group("e")]
const places = placed(roots)
const ids = (open: string[], text = "") => shownGroups(places, new Set(open), text).map((one) => one.group.id)

describe("the tree of groups", () => {
  it("shows what is open, or what a text finds with all above it", () => {
    expect(ids([])).toEqual(["a", "e"])
    expect(ids(["b"])).toEqual(["a", "e"])
    expect(ids(["a", "b"])).toEqual(["a", "b", "c", "d", "e"])
    expect(ids([], "C")).toEqual(["a", "b", "c"])
    expect(above(places, "c").map(({ id }) => id)).toEqual(["b", "a"])
  })

  it("lets a group go anywhere but below itself, where it is, or too deep", () => {
    expect(mayGo(places, "b", "e")).toBe(true)
    expect(mayGo(places, "b", null)).toBe(true)
    expect(mayGo(places, "b", "a")).toBe(false)
    expect(mayGo(places, "a", null)).toBe(false)
    expect(mayGo(places, "a", "c")).toBe(false)
    expect(mayGo(places, "a", "a")).toBe(false)
    let deep = group("g16")
    for (let level = 15; level > 0; level -= 1) deep = group(`g${level}`, [deep])
    const all = placed([deep, group("x"), group("y", [group("z")])])
    expect(mayGo(all, "x", "g15")).toBe(true)
    expect(mayGo(all, "x", "g16")).toBe(false)
    expect(mayGo(all, "y", "g15")).toBe(false)
  })

  it("is walked, opened, closed and chosen with the keyboard", async () => {
    const open = new Set(["a"])
    const wrapper = mount(GroupTree, {
      props: {
        places,
        open,
        text: "",
        chosen: "",
        movable: true,
        onToggle: (id: string, on: boolean) => {
          if (on) open.add(id)
          else open.delete(id)
          void wrapper.setProps({ open: new Set(open) })
        },
      },
    })
    const tree = wrapper.get("[role=tree]")
    const active = () => wrapper.get(`[id="${tree.attributes("aria-activedescendant")}"]`).text()
    for (const key of ["ArrowDown", "ArrowDown", "ArrowRight"]) await tree.trigger("keydown", { key })
    expect(open.has("b")).toBe(true)
    await tree.trigger("keydown", { key: "ArrowRight" })
    expect(active()).toContain("C")
    await tree.trigger("keydown", { key: "Enter" })
    expect(wrapper.emitted("choose")).toEqual([["c"]])
    await tree.trigger("keydown", { key: "ArrowLeft" })
    expect(active()).toContain("B")
    await tree.trigger("keydown", { key: "ArrowLeft" })
    expect(open.has("b")).toBe(false)
    await tree.trigger("keydown", { key: "End" })
    expect(active()).toContain("E")
  })

  it("has no more in the page than is in view", () => {
    const many = placed(Array.from({ length: 5000 }, (_, index) => group(`g${index}`)))
    const wrapper = mount(GroupTree, {
      props: { places: many, open: new Set<string>(), text: "", chosen: "", movable: true },
    })
    expect(wrapper.findAll("[role=treeitem]").length).toBeLessThan(60)
  })
})
