/** The command palette, saved views, and preferences that come from elsewhere. */
import { describe, expect, it, vi } from "vitest"
import { actionsFor, matches, noteRecent, pagesFor, recentItems, search } from "@/app/palette"
import { merged, preferences } from "@/lib/preferences"
import { queryOf, shownView, stateOf, type View } from "@/pages/devices/views"
import type { Router } from "vue-router"

const get = vi.hoisted(() => vi.fn())
vi.mock("@/api/client", async (original) => ({ ...(await original<object>()), get }))

describe("the command palette", () => {
  it("finds pages by their names in both languages", () => {
    expect(pagesFor("设备")[0]?.to).toBe("/devices")
    expect(pagesFor("things")[0]?.to).toBe("/devices")
    expect(pagesFor("gaojing").map(({ to }) => to)).toContain("/alarms")
    expect(pagesFor("no such page")).toEqual([])
  })

  it("offers actions by any of their words", () => {
    expect(actionsFor("语言")).toHaveLength(1)
    expect(actionsFor("shortcuts")).toHaveLength(1)
  })

  it("drops what fewer letters have found when more do not match it", () => {
    expect(matches("pu mp", "Pump", "")).toBe(true)
    expect(matches("pump 2", "Pump", "K1")).toBe(false)
  })

  it("leads to what the server finds, and leaves out what has no page", async () => {
    get.mockResolvedValue({
      found: [
        { kind: "device", total: 7, items: [{ id: "d1", name: "Pump", detail: "K1" }] },
        { kind: "group", total: 1, items: [{ id: "g1", name: "North" }] },
        { kind: "alarm_rule", total: 1, items: [{ id: "r1", name: "Hot" }] },
      ],
    })
    const router = {
      resolve: (place: string) => ({ name: place.startsWith("/devices") ? "devices" : "unknown" }),
    } as unknown as Router
    const found = await search(router, " pu&mp ", new AbortController().signal)
    expect(get.mock.calls[0]?.slice(0, 2)).toEqual(["/search", { q: "pu&mp" }])
    expect(found.map(({ to }) => to)).toEqual(["/devices/d1/summary", "/devices?keyword=pu%26mp", "/devices?group=g1"])
  })

  it("keeps the five that were opened last", () => {
    for (const name of ["a", "b", "c", "d", "e", "f", "b"])
      noteRecent({ key: name, section: "palette.device", label: name, to: `/devices/${name}` })
    expect(recentItems().map(({ label }) => label)).toEqual(["b", "f", "e", "d", "c"])
    preferences.pages.recent = [{ to: "https://elsewhere", label: "x" }, 7]
    expect(recentItems()).toEqual([])
  })
})

describe("saved views", () => {
  const view = (id: string, query: string): View => ({ id, version: 1, name: id, query, shared: false, own: true })

  it("are the one that is shown whatever the order of their filters", () => {
    const state = stateOf("tag=site:x&tag=new&online=0&not_group=g1&sort=-name")
    expect(queryOf(stateOf(queryOf(state)))).toBe(queryOf(state))
    const views = [view("other", "online=1"), view("mine", "sort=-name&not_group=g1&tag=site:x&tag=new&online=0")]
    expect(shownView(views, state)?.id).toBe("mine")
    expect(shownView(views, stateOf(""))).toBeUndefined()
  })
})

describe("preferences from elsewhere", () => {
  it("are taken as far as they are known", () => {
    const kept = merged({ theme: "neon", language: "zh", zone: 7, pages: [], keys: false })
    expect(kept).toEqual({
      language: "zh",
      theme: "system",
      zone: "browser",
      sideBarFolded: false,
      keys: false,
      pages: {},
    })
  })
})
