import { describe, expect, it } from "vitest"
import { fill } from "@/i18n/message"
import { addWords, language, t, textOf } from "@/i18n"
import { faultsOf } from "../tools/check-words.js"

describe("words", () => {
  it("are filled with their arguments, numbers in the form of the language", () => {
    expect(fill("{shown} of {total} points", { shown: 814, total: 1_000_000 }, "en")).toBe("814 of 1,000,000 points")
    expect(fill("{value} 高于最大值 {maximum}", { value: 90.5, maximum: 85 }, "zh")).toBe("90.5 高于最大值 85")
  })

  it("choose one or other by the count", () => {
    expect(fill(["{count} device", "{count} devices"], { count: 1 }, "en")).toBe("1 device")
    expect(fill(["{count} device", "{count} devices"], { count: 0 }, "en")).toBe("0 devices")
    expect(fill(["{count} device", "{count} devices"], { count: 2 }, "en")).toBe("2 devices")
  })

  it("show an argument that is missing as it stands", () => {
    expect(fill("at most {maximum}", {}, "en")).toBe("at most {maximum}")
  })

  it("put texts of users in as they are, braces included", () => {
    expect(fill("Remove {name}", { name: "{count} <b>$&" }, "en")).toBe("Remove {count} <b>$&")
  })

  it("join lists as the language does", () => {
    expect(fill("{names}", { names: ["a", "b"] }, "zh")).toBe("a、b")
    expect(fill("{names}", { names: ["a", "b"] }, "en")).toBe("a, b")
  })

  it("follow the language that is chosen", () => {
    expect(t("common.online")).toBe("Online")
    language.value = "zh"
    expect(t("common.online")).toBe("在线")
  })

  it("have no text for a name that nobody knows, nor without its arguments", () => {
    expect(textOf("codes.never_heard_of")).toBeNull()
    addWords("en", { "codes.too_large": "at most {maximum:,} bytes" })
    expect(textOf("codes.too_large")).toBeNull()
    expect(textOf("codes.too_large", { maximum: 65536 })).toBe("at most 65,536 bytes")
  })
})

describe("the check of words", () => {
  it("passes words with both languages", () => {
    expect(faultsOf({ zh: "{count} 台设备", en: ["{count} device", "{count} devices"] })).toEqual([])
  })

  it.each([
    [{ zh: "设备" }, "no en"],
    [{ zh: " ", en: "x" }, "no zh"],
    [{ zh: "设备", en: "Devices", fr: "Appareils" }, "an unknown language"],
    [{ zh: ["设备"], en: "Devices" }, "Chinese has no plural"],
    [{ zh: "{count} 台", en: ["{count} device"] }, "not [one, other]"],
    [{ zh: "{count} 台", en: "some" }, "the languages differ in their arguments"],
    [{ zh: "设备,类型", en: "x" }, "half-width punctuation beside Chinese: 设备,类型"],
    [{ zh: "设备ID", en: "x" }, "no space between Chinese and Latin: 设备ID"],
  ])("refuses %j", (texts, fault) => {
    expect(faultsOf(texts)).toContain(fault)
  })
})
