import { afterEach, describe, expect, it, vi } from "vitest"
import { call, get, onSignedOut, path, queryString } from "@/api/client"
import { ApiError, Unreachable, errorText, fieldErrors, isAbort, reasonText } from "@/api/errors"
import { addWords, language } from "@/i18n"
import { answering, ok, pending, refused } from "./fakes"

afterEach(() => {
  vi.unstubAllGlobals()
  onSignedOut(() => Promise.reject(new Error("nobody logs in")))
})

async function failure(promise: Promise<unknown>): Promise<unknown> {
  return promise.then(
    () => expect.unreachable(),
    (error: unknown) => error,
  )
}

describe("calls", () => {
  it("give the info of the answer, and carry the header that a session needs", async () => {
    const asked = answering(() => ok({ id: "d1" }))
    expect(await get("/device/d1", { page: 2 })).toEqual({ id: "d1" })
    expect(asked[0]?.url.href).toBe("http://console.test/api/v1/device/d1?page=2")
    expect(asked[0]?.headers.get("X-Thingstead")).toBe("1")
    expect(asked[0]?.body).toBeUndefined()
  })

  it("encode what comes from data into paths and queries", () => {
    expect(path`/device/${"a/b?c"}/attribute/${"湿 度"}`).toBe("/device/a%2Fb%3Fc/attribute/%E6%B9%BF%20%E5%BA%A6")
    expect(queryString({ online: true, active: false, keyword: "", tag: ["a:1", "b&c"], type: null })).toBe(
      "?online=1&active=0&tag=a%3A1&tag=b%26c",
    )
    expect(queryString({})).toBe("")
  })

  it("that are refused tell errcode, code, arguments and fields", async () => {
    answering(() =>
      refused(400, {
        code: "invalid",
        errors: [{ field: "name", message: "is too long", code: "too_long", args: { n: 9 } }],
      }),
    )
    const error = await failure(get("/x"))
    expect(error).toBeInstanceOf(ApiError)
    expect(error).toMatchObject({ errcode: 400, code: "invalid", errors: [{ field: "name", args: { n: 9 } }] })
  })

  it("that are throttled say for how long", async () => {
    answering(() => ({ ...refused(429), headers: { "Retry-After": "8" } }))
    const error = await failure(get("/x"))
    expect(error).toMatchObject({ errcode: 429, retryAfter: 8 })
    expect(errorText(error)).toBe("Too many requests: try again in 8 seconds")
  })

  it("without an answer of ours are unreachable", async () => {
    answering(() => Promise.reject(new TypeError("network")))
    expect(await failure(get("/x"))).toBeInstanceOf(Unreachable)
    answering(() => ({ status: 502, body: "<html>bad gateway</html>" }))
    expect(await failure(get("/x"))).toBeInstanceOf(Unreachable)
  })

  it("that nobody waits for any more are aborted, not failed", async () => {
    const controller = new AbortController()
    answering(({ signal }) => {
      controller.abort()
      return Promise.reject(signal?.reason)
    })
    expect(isAbort(await failure(call("GET", "/x", { signal: controller.signal })))).toBe(true)
  })

  it("go on after a new log-in when the session has ended meanwhile", async () => {
    const logIn = pending<void>()
    onSignedOut(() => logIn.promise)
    let signedIn = false
    const asked = answering(() => (signedIn ? ok("saved") : refused(401)))
    const saving = call("PUT", "/device/d1/info", { body: { name: "Pump" } })
    await vi.waitFor(() => expect(asked).toHaveLength(1))
    signedIn = true
    logIn.resolve()
    expect(await saving).toBe("saved")
    expect(asked[1]?.body).toEqual({ name: "Pump" })
  })

  it("of the log-in itself do not ask for another log-in", async () => {
    answering(() => refused(401))
    expect(await failure(call("POST", "/console/session", { bare: true }))).toMatchObject({ errcode: 401 })
  })
})

describe("refusals", () => {
  it("are in the reader's words, also where a reason holds another one", () => {
    addWords("zh", { "codes.fails_on": "在设备 {device} 上：{problem}", "codes.compares": "{attribute} 是 {kind}" })
    language.value = "zh"
    const args = { device: "Pump", problem: "t is a text", problem_code: "compares", attribute: "t", kind: "文本" }
    expect(reasonText({ message: "on Pump: t is a text", code: "fails_on", args })).toBe("在设备 Pump 上：t 是 文本")
    expect(reasonText({ message: "unheard of", code: "", args: {} })).toBe("unheard of")
    expect(reasonText({ message: "on Pump", code: "fails_on", args: {} })).toBe("on Pump")
  })

  const error = new ApiError(
    400,
    "the request is invalid",
    [
      { field: "max", message: "is above 85", code: "above", args: { maximum: 85 } },
      { field: "max", message: "a second one" },
      { field: "name", message: "is missing", code: "no_text_for_this" },
    ],
    "invalid",
  )

  it("stand at their fields in the reader's language, else in the server's words", () => {
    addWords("zh", { "codes.above": "高于最大值 {maximum}" })
    language.value = "zh"
    expect(fieldErrors(error)).toEqual({ max: "高于最大值 85", name: "is missing" })
  })

  it("tell the limits of lengths of time as people read them", () => {
    addWords("zh", { "codes.at_most": "不能大于 {maximum}", "time.days": "{count} 天" })
    language.value = "zh"
    const args = { maximum: 7 * 86_400_000 }
    const delay = { field: "actions[0].delay_ms", message: "must be at most 604800000", code: "at_most", args }
    const count = { field: "raise_count", message: "must be at most 100", code: "at_most", args: { maximum: 100 } }
    expect(fieldErrors(new ApiError(400, "invalid", [delay, count]))).toEqual({
      "actions[0].delay_ms": "不能大于 7 天",
      raise_count: "不能大于 100",
    })
  })

  it("of no field stand under the empty name", () => {
    expect(fieldErrors(new ApiError(409, "is taken"))).toEqual({ "": "is taken" })
    expect(fieldErrors(new Unreachable("x"))[""]).toContain("cannot be reached")
  })

  it("never show what went wrong inside of the server or the page", () => {
    expect(errorText(new ApiError(500, "Traceback"))).not.toContain("Traceback")
    expect(errorText(new TypeError("x is undefined"))).not.toContain("undefined")
  })
})
