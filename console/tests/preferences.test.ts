import { flushPromises } from "@vue/test-utils"
import { afterEach, beforeEach, expect, test, vi } from "vitest"
import { answering, ok, type Request } from "./fakes"

const SAVED = { language: "zh", theme: "light", zone: "UTC" }

/** The modules as a page has them that was just loaded, logged in as `admin`; the server has `saved`. */
async function loaded(admin: string, saved: object = SAVED) {
  vi.resetModules()
  const asked: Request[] = answering(({ method }) => ok(method === "GET" ? saved : {}))
  const { session } = await import("@/api/session")
  const { preferences } = await import("@/lib/preferences")
  const { keepPreferences } = await import("@/lib/keptPreferences")
  session.value = { admin: { id: admin } } as unknown as typeof session.value
  keepPreferences()
  await flushPromises()
  return { preferences, puts: () => asked.filter(({ method }) => method === "PUT") }
}

beforeEach(() => {
  localStorage.clear()
  vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout"] })
})

afterEach(() => {
  vi.useRealTimers()
  vi.unstubAllGlobals()
})

test("what the server has comes along to another browser, and is not sent back", async () => {
  const { preferences, puts } = await loaded("a1")
  await vi.advanceTimersByTimeAsync(5000)
  expect(preferences).toMatchObject(SAVED)
  expect(puts()).toEqual([])
})

test("a choice just before a reload outlives it, and is sent after it", async () => {
  const before = await loaded("a1")
  before.preferences.theme = "dark"
  await flushPromises()
  const after = await loaded("a1")
  expect(after.preferences.theme).toBe("dark")
  await vi.advanceTimersByTimeAsync(5000)
  expect(after.puts()[0]?.body).toMatchObject({ theme: "dark", language: "zh" })
  expect((await loaded("a1")).preferences.theme).toBe("light") // it was kept: from now on the server's are right again
})

test("a choice that was not sent is not given to somebody else", async () => {
  const before = await loaded("a1")
  before.preferences.theme = "dark"
  await flushPromises()
  expect((await loaded("b2")).preferences.theme).toBe("light")
})
