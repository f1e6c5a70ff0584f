import { expect, test } from "vitest"
import { HIDDEN, kindOf, newChannel, targetOf, written } from "@/pages/notify/model"

test("a channel is known by its member, and says where it leads", () => {
  expect(kindOf({ email: ["a@b.c"] })).toBe("email")
  expect(targetOf({ email: ["a@b.c", "d@e.f"] })).toBe("a@b.c, d@e.f")
  expect(targetOf({ telegram: { bot_token: HIDDEN, chat_id: "-7" } })).toBe("-7")
  expect(newChannel("telegram", "zh")).toEqual({ telegram: { bot_token: "", chat_id: "" }, language: "zh" })
})

test("what is empty is left out of what is written, and what is hidden stays", () => {
  expect(written({ webhook: "http://x", secret: "", language: "" })).toEqual({ webhook: "http://x" })
  expect(written({ webhook: "http://x", secret: HIDDEN })).toEqual({ webhook: "http://x", secret: HIDDEN })
  expect(written({ email: [" a@b.c ", ""] })).toEqual({ email: ["a@b.c"] })
})
