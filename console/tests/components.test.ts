import { flushPromises, mount, type VueWrapper } from "@vue/test-utils"
import { afterEach, describe, expect, it, vi } from "vitest"
import { defineComponent, h, shallowRef, type Component } from "vue"
import { createMemoryHistory, createRouter } from "vue-router"
import LogInForm from "@/app/LogInForm.vue"
import ChartTable from "@/chart/ChartTable.vue"
import StateBars from "@/chart/StateBars.vue"
import { ApiError } from "@/api/errors"
import { session } from "@/api/session"
import { asked, confirm } from "@/lib/confirm"
import { useResource, type Resource } from "@/lib/resource"
import { toastDone, toasts } from "@/lib/toasts"
import VirtualTable from "@/table/VirtualTable.vue"
import type { PagedRows } from "@/table/pagedRows"
import AlarmChip from "@/ui/AlarmChip.vue"
import ConfirmDialog from "@/ui/ConfirmDialog.vue"
import DataBlock from "@/ui/DataBlock.vue"
import FormField from "@/ui/FormField.vue"
import SegmentedControl from "@/ui/SegmentedControl.vue"
import ToastList from "@/ui/ToastList.vue"
import { answering, ok, refused } from "./fakes"

const router = createRouter({
  history: createMemoryHistory(),
  routes: [{ path: "/:all(.*)", component: { render: () => null } }],
})
const mounted: VueWrapper[] = []
// Generic components have no type that all components share.
function show(component: unknown, props: object = {}, slots: Record<string, unknown> = {}): VueWrapper {
  const wrapper = mount(component as Component, {
    props,
    slots: slots as never,
    global: { plugins: [router] },
    attachTo: document.body,
  })
  mounted.push(wrapper)
  return wrapper
}

afterEach(() => {
  for (const wrapper of mounted.splice(0)) wrapper.unmount()
  vi.unstubAllGlobals()
  vi.useRealTimers()
  session.value = null
})

const HOSTILE = `<img src=x onerror="alert(1)">`

describe("a block that is read", () => {
  async function block(read: () => Promise<string[]>): Promise<{ wrapper: VueWrapper; resource: Resource<string[]> }> {
    let resource: Resource<string[]> | undefined
    const wrapper = show(
      defineComponent(() => {
        const found = (resource = useResource(read))
        return () =>
          h(
            DataBlock<string[]>,
            { resource: found, empty: (value: string[]) => value.length === 0 },
            { default: ({ value }: { value: string[] }) => value.join(), empty: () => "no device yet" },
          )
      }),
    )
    await flushPromises()
    return { wrapper, resource: resource as Resource<string[]> }
  }

  it("shows its content, or that there is none", async () => {
    expect((await block(async () => ["a", "b"])).wrapper.text()).toBe("a,b")
    expect((await block(async () => [])).wrapper.text()).toBe("no device yet")
  })

  it("is a skeleton while it is read", async () => {
    expect((await block(() => new Promise(() => {}))).wrapper.find("[role=status]").text()).toBe("Loading")
  })

  it("says what failed, with the way to try again", async () => {
    let fail = true
    const { wrapper } = await block(async () => (fail ? Promise.reject(new ApiError(503, "disk full")) : ["here"]))
    expect(wrapper.text()).toContain("disk full")
    expect(wrapper.find("details").text()).toContain('"errcode": 503')
    fail = false
    await wrapper.find("button").trigger("click")
    await flushPromises()
    expect(wrapper.text()).toBe("here")
  })

  it.each(["first", "anew"])("says that it tries again, and takes no second press: read %s", async (when) => {
    const fails = () => Promise.reject(new ApiError(503, "disk full"))
    const answers: (() => Promise<string[]>)[] = when === "first" ? [fails] : [async () => ["here"], fails]
    const read = vi.fn(() => answers.shift()?.() ?? new Promise<string[]>(() => {}))
    const { wrapper, resource } = await block(read)
    if (when === "anew") await resource.reload()
    await flushPromises()
    const reads = read.mock.calls.length
    const button = wrapper.find("button")
    expect(button.attributes("aria-busy")).toBe("false")
    await button.trigger("click")
    await button.trigger("click")
    expect(wrapper.find("button").attributes()).toMatchObject({ "aria-busy": "true", "aria-disabled": "true" })
    expect(read).toHaveBeenCalledTimes(reads + 1)
  })

  it("tells gone and forbidden from failed", async () => {
    expect((await block(async () => Promise.reject(new ApiError(404, "x")))).wrapper.text()).toContain("Not found")
    const forbidden = await block(async () => Promise.reject(new ApiError(403, "x")))
    expect(forbidden.wrapper.text()).toContain("Your role (Viewer) may not see this")
  })

  it("keeps its content where it could not be read anew, and says so", async () => {
    let fail = false
    const { wrapper, resource } = await block(async () => (fail ? Promise.reject(new ApiError(500, "x")) : ["kept"]))
    fail = true
    await resource.reload()
    await flushPromises()
    expect(wrapper.text()).toContain("kept")
    expect(wrapper.find("[role=alert]").text()).toContain("Not refreshed")
  })
})

describe("the log-in", () => {
  const SESSION = { admin: { id: "a", account: "admin" }, role: "admin", project: { id: "p", timezone: "UTC" } }
  async function submit(wrapper: VueWrapper): Promise<void> {
    await wrapper.find("input[name=username]").setValue("admin")
    await wrapper.find("input[name=password]").setValue("secret")
    await wrapper.find("form").trigger("submit")
    await flushPromises()
  }

  it("has a real form for password managers, the account first", () => {
    const fields = show(LogInForm)
      .findAll("input")
      .map((input) => input.attributes("autocomplete"))
    expect(fields.slice(0, 2)).toEqual(["username", "current-password"])
  })

  it("opens the session", async () => {
    const requests = answering(() => ok(SESSION))
    const wrapper = show(LogInForm)
    await submit(wrapper)
    expect(requests[0]?.body).toEqual({ account: "admin", password: "secret" })
    expect(wrapper.emitted("done")).toHaveLength(1)
    expect(session.value?.role).toBe("admin")
  })

  it("keeps the account when the password is wrong", async () => {
    answering(() => refused(401))
    const wrapper = show(LogInForm)
    await submit(wrapper)
    expect(wrapper.find("[role=alert]").text()).toBe("The account or the password is wrong")
    expect(wrapper.find<HTMLInputElement>("input[name=username]").element.value).toBe("admin")
  })

  it("offers the projects where the account is right in several", async () => {
    const projects = [
      { id: "p1", name: "Greenhouses" },
      { id: "p2", name: "泵站" },
    ]
    const requests = answering(({ body }) =>
      (body as { project?: string }).project ? ok(SESSION) : refused(409, { info: { projects } }),
    )
    const wrapper = show(LogInForm)
    await submit(wrapper)
    expect(wrapper.findAll("option").map((option) => option.text())).toEqual(["Greenhouses", "泵站"])
    await wrapper.find("select").setValue("p2")
    await wrapper.find("form").trigger("submit")
    await flushPromises()
    expect(requests[1]?.body).toMatchObject({ project: "p2" })
  })

  it("counts down when it is throttled, and sends nothing meanwhile", async () => {
    vi.useFakeTimers()
    const requests = answering(() => ({ ...refused(429), headers: { "Retry-After": "3" } }))
    const wrapper = show(LogInForm)
    await submit(wrapper)
    expect(wrapper.find("[role=alert]").text()).toContain("in 3 seconds")
    await vi.advanceTimersByTimeAsync(2_000)
    expect(wrapper.find("[role=alert]").text()).toContain("in 1 second")
    await wrapper.find("form").trigger("submit")
    expect(requests).toHaveLength(1)
    await vi.advanceTimersByTimeAsync(1_000)
    expect(wrapper.find("button[type=submit]").attributes("disabled")).toBeUndefined()
  })

  it("tells a server that cannot be reached from a wrong password", async () => {
    answering(() => Promise.reject(new TypeError("network")))
    const wrapper = show(LogInForm)
    await submit(wrapper)
    expect(wrapper.find("[role=alert]").text()).toContain("cannot be reached")
  })
})

describe("the endless table", () => {
  function rowsOf(total: number): PagedRows<{ id: string; name: string }> {
    return {
      total: shallowRef(total),
      error: shallowRef(null),
      version: shallowRef(0),
      row: (index) => ({ id: `d${index}`, name: index === 0 ? HOSTILE : `Device ${index}` }),
      need: vi.fn(),
      reset: vi.fn(),
      refresh: vi.fn(),
      patch: vi.fn(),
    }
  }
  const columns = [
    { key: "name", label: "Name", width: "2fr", sort: "name" },
    { key: "id", label: "Id", width: "1fr" },
  ]
  type Row = { id: string; name: string }
  const slots = {
    cell: ({ row, column }: { row: Row; column: { key: string } }) => (column.key === "name" ? row.name : row.id),
    empty: () => "no device",
  }
  const table = (rows: PagedRows<Row>, props: object = {}) =>
    show(VirtualTable, { label: "Devices", rows, columns, rowKey: (row: Row) => row.id, ...props }, slots)

  it("has a few rows in the page, and tells how many there are", () => {
    const wrapper = table(rowsOf(100_079))
    expect(wrapper.findAll(".body [role=row]").length).toBeLessThan(60)
    expect(wrapper.find("[role=table]").attributes("aria-rowcount")).toBe("100080")
    expect(wrapper.find(".body [role=row]").attributes("aria-rowindex")).toBe("2")
  })

  it("asks for the rows that come into view", async () => {
    const rows = rowsOf(100_079)
    const wrapper = table(rows)
    const frame = wrapper.find(".frame").element
    frame.scrollTop = 40 * 50_000
    await wrapper.find(".frame").trigger("scroll")
    await vi.waitFor(() => expect(vi.mocked(rows.need).mock.lastCall?.[0]).toBe(49_994))
    expect(wrapper.text()).toContain("Device 50000")
  })

  it("asks for little while the scroll bar is dragged over all of them", async () => {
    vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout", "performance"] })
    const rows = rowsOf(100_079)
    const wrapper = table(rows)
    for (let row = 0; row < 100_000; row += 1_000) {
      wrapper.find(".frame").element.scrollTop = 40 * row
      await wrapper.find(".frame").trigger("scroll")
      vi.advanceTimersByTime(10)
    }
    vi.advanceTimersByTime(1_000)
    expect(vi.mocked(rows.need).mock.lastCall?.[0]).toBe(98_994)
    expect(vi.mocked(rows.need).mock.calls.length).toBeLessThan(30)
  })

  it("reaches the last row of more rows than browsers lay out", async () => {
    const wrapper = table(rowsOf(2_000_000))
    expect(wrapper.find<HTMLElement>(".body").element.style.height).toBe("15000000px")
    wrapper.find(".frame").element.scrollTop = 15_000_000
    await wrapper.find(".frame").trigger("scroll")
    expect(wrapper.text()).toContain("Device 1999999")
  })

  it("shows names as text, whatever stands in them", () => {
    const wrapper = table(rowsOf(3))
    expect(wrapper.text()).toContain(HOSTILE)
    expect(wrapper.find("img").exists()).toBe(false)
  })

  it("sorts by the columns by which the server sorts, one way and the other", async () => {
    const wrapper = table(rowsOf(3), { sort: "name" })
    expect(wrapper.findAll("[role=columnheader]").map((head) => head.attributes("aria-sort"))).toEqual([
      "ascending",
      undefined,
    ])
    await wrapper.find(".sort").trigger("click")
    expect(wrapper.emitted("sort")).toEqual([["-name"]])
  })

  it("opens a row by a click, and says when there is none", async () => {
    const wrapper = table(rowsOf(3))
    await wrapper.findAll(".body [role=row]")[1]?.trigger("click")
    expect(wrapper.emitted("open")?.[0]).toEqual([{ id: "d1", name: "Device 1" }])
    expect(table(rowsOf(0)).text()).toBe("no device")
  })
})

describe("asking before what cannot be taken back", () => {
  it("begins on Cancel, and Esc means no", async () => {
    const wrapper = show(ConfirmDialog)
    const answer = confirm({ title: "Reset the certificate?", text: "The device cannot connect.", verb: "Reset" })
    await flushPromises()
    const dialog = document.querySelector("dialog")
    expect(dialog?.querySelector("[autofocus]")?.textContent).toBe("Cancel")
    dialog?.dispatchEvent(new Event("cancel"))
    expect(await answer).toBe(false)
    await flushPromises()
    expect([asked.value, document.querySelector("dialog")]).toEqual([null, null])
    expect(wrapper.exists()).toBe(true)
  })

  it("wants the name of what is removed with its data", async () => {
    show(ConfirmDialog)
    const answer = confirm({
      title: "Remove",
      text: "1,200,746 points go.",
      verb: "Remove",
      danger: true,
      typed: "Pump 7",
    })
    await flushPromises()
    const [field, yes] = [document.querySelector("input"), document.querySelector<HTMLButtonElement>("[type=submit]")]
    expect(yes?.disabled).toBe(true)
    if (field) field.value = "Pump 7"
    field?.dispatchEvent(new Event("input"))
    await flushPromises()
    expect(yes?.disabled).toBe(false)
    document.querySelector("form")?.dispatchEvent(new Event("submit"))
    expect(await answer).toBe(true)
  })
})

describe("toasts", () => {
  it("offer the way back as long as they are there, and wait for the pointer", async () => {
    vi.useFakeTimers()
    const undo = vi.fn(async () => {})
    const wrapper = show(ToastList)
    toastDone("Moved 3 devices", undo)
    await wrapper.vm.$nextTick()
    await wrapper.find(".toast").trigger("mouseenter")
    await vi.advanceTimersByTimeAsync(60_000)
    expect(wrapper.text()).toContain("Moved 3 devices")
    await wrapper.find("button").trigger("click")
    expect(undo).toHaveBeenCalledOnce()
    expect(toasts).toHaveLength(0)
    toastDone("Saved")
    await vi.advanceTimersByTimeAsync(10_001)
    expect(toasts).toHaveLength(0)
  })
})

describe("controls", () => {
  it("tell their refusal to who cannot see it", () => {
    const wrapper = show(
      FormField,
      { label: "Name", error: "is too long" },
      { default: ({ field }: { field: object }) => h("input", field) },
    )
    const input = wrapper.find("input")
    expect(input.attributes("aria-invalid")).toBe("true")
    const described = input.attributes("aria-describedby") ?? ""
    expect(document.getElementById(described)?.textContent).toBe("is too long")
    expect(wrapper.find("label").attributes("for")).toBe(input.attributes("id"))
  })

  it("choose one of a few", async () => {
    const options = [
      { value: 1, label: "One" },
      { value: 2, label: "Two" },
    ]
    const wrapper = show(SegmentedControl, { label: "Range", options, modelValue: 1 })
    await wrapper.findAll("input")[1]?.setValue()
    expect(wrapper.emitted("update:modelValue")).toEqual([[2]])
  })

  it("tell levels of alarms by word and shape", () => {
    const words = [1, 2, 3].map((level) => show(AlarmChip, { level }))
    expect(words.map((wrapper) => wrapper.text())).toEqual(["Normal", "Serious", "Urgent"])
    expect(new Set(words.map((wrapper) => wrapper.find("path").attributes("d"))).size).toBe(3)
  })
})

describe("charts", () => {
  it("show states from one change to the next", () => {
    const curve = { key: "w", label: "Window", ts: [0, 25, 50], states: ["open", "open", "closed"] }
    const spans = show(StateBars, { curves: [curve], from: 0, to: 100 }).findAll<HTMLElement>(".span")
    expect(spans.map((span) => [span.text(), span.element.style.left, span.element.style.width])).toEqual([
      ["open", "0.000%", "50.000%"],
      ["closed", "50.000%", "50.000%"],
    ])
  })

  it("can be read as a table, the newest point first", () => {
    const curve = { key: "t", label: "T", unit: "°C", colour: 1, kind: "line", ts: [1000, 2000], value: [1.5, 2.5] }
    const cells = show(ChartTable, { curves: [curve] }).findAll("tbody td.number")
    expect(cells.map((cell) => cell.text())).toEqual(["2.5 °C", "1.5 °C"])
  })
})
