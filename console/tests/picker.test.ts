import { mount } from "@vue/test-utils"
import { describe, expect, it, vi } from "vitest"
import { nextTick } from "vue"
import type { Choice, Search } from "@/lib/choices"
import SearchPicker from "@/ui/SearchPicker.vue"

const all: Choice[] = ["Alpha", "Beta", "Gamma"].map((label) => ({ id: label.toLowerCase(), label }))

function picker(search: Search, chosen: Choice | null = null, clearable = false) {
  const wrapper = mount(SearchPicker<Choice>, {
    props: {
      search,
      label: "Thing",
      clearable,
      modelValue: chosen,
      "onUpdate:modelValue": (modelValue: Choice | null) => void wrapper.setProps({ modelValue }),
    },
    attachTo: document.body,
  })
  const input = wrapper.get("input")
  return { wrapper, input, text: () => input.element.value }
}
const found: Search = (text) => {
  const items = all.filter(({ label }) => label.toLowerCase().includes(text.toLowerCase()))
  return Promise.resolve({ items, total: items.length })
}
const settle = async () => {
  await Promise.resolve()
  await nextTick()
  await nextTick()
}

describe("a picker with a search", () => {
  it("chooses what was typed with the keyboard alone", async () => {
    vi.useFakeTimers()
    const { wrapper, input, text } = picker(found)
    await input.setValue("ga")
    await vi.advanceTimersByTimeAsync(300)
    await settle()
    expect(wrapper.findAll("[role=option]").map((one) => one.text())).toEqual(["Gamma"])
    await input.trigger("keydown", { key: "Enter" })
    await settle()
    expect(wrapper.props("modelValue")).toEqual(all[2])
    expect(text()).toBe("Gamma")
    vi.useRealTimers()
  })

  it("opens with arrows and shows the first of all", async () => {
    const { wrapper, input } = picker(found, all[0])
    await input.trigger("keydown", { key: "ArrowDown" })
    await settle()
    await input.trigger("keydown", { key: "ArrowDown" })
    await input.trigger("keydown", { key: "ArrowDown" })
    await input.trigger("keydown", { key: "Enter" })
    expect(wrapper.props("modelValue")).toEqual(all[1])
  })

  it("takes back what was typed and not chosen", async () => {
    const { wrapper, input, text } = picker(found, all[0])
    await input.setValue("nothing like it")
    await input.trigger("keydown", { key: "Escape" })
    expect(text()).toBe("Alpha")
    await input.setValue("xyz")
    await wrapper.get(".picker").trigger("focusout")
    expect(text()).toBe("Alpha")
    expect(wrapper.props("modelValue")).toEqual(all[0])
  })

  it("is emptied by deleting the text, where nothing may be chosen", async () => {
    const kept = picker(found, all[0])
    await kept.input.setValue("")
    await kept.wrapper.get(".picker").trigger("focusout")
    expect(kept.wrapper.props("modelValue")).toEqual(all[0])
    const cleared = picker(found, all[0], true)
    await cleared.input.setValue("")
    await cleared.wrapper.get(".picker").trigger("focusout")
    expect(cleared.wrapper.props("modelValue")).toBeNull()
  })

  it("passes over an answer that was overtaken", async () => {
    vi.useFakeTimers()
    const answers: ((items: Choice[]) => void)[] = []
    const { wrapper, input } = picker(
      () => new Promise((resolve) => answers.push((items) => resolve({ items, total: items.length }))),
    )
    await input.setValue("a")
    await vi.advanceTimersByTimeAsync(300)
    await input.setValue("be")
    await vi.advanceTimersByTimeAsync(300)
    answers[1]?.([all[1] as Choice])
    answers[0]?.(all)
    await settle()
    expect(wrapper.findAll("[role=option]")).toHaveLength(1)
    vi.useRealTimers()
  })
})
