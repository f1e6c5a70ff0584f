import { afterEach, expect, test, vi } from "vitest"
import { beginReading, readPage } from "@/pages/devices/list"
import type { State } from "@/pages/devices/filters"
import { answering, ok, refused } from "./fakes"

const state: State = { filters: [], keyword: "pump", sort: "create_time" }
const page = { items: [], total: 7 }
const { signal } = new AbortController()

afterEach(() => vi.unstubAllGlobals())

test("the first page of a list that is opened by its address is read once, before it asks", async () => {
  const calls = answering(() => ok(page))
  beginReading(state, [])
  expect(await readPage(state, [], 1, 100, signal)).toEqual(page)
  expect(calls).toHaveLength(1)
})

test("another filter, or a reading that failed, is asked for by the list itself", async () => {
  const answers = [ok({ items: [], total: 1 }), ok(page), refused(401), ok(page)]
  const calls = answering(() => answers.shift() ?? ok(page))
  beginReading(state, [])
  expect(await readPage({ ...state, keyword: "valve" }, [], 1, 100, signal)).toEqual(page)
  beginReading(state, [])
  expect(await readPage(state, [], 1, 100, signal)).toEqual(page)
  expect(calls).toHaveLength(4)
})
