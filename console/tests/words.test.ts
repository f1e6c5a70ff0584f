import { afterEach, describe, expect, it, vi } from "vitest"
import { fill } from "@/i18n/message"
import { addWords, language, loadWords, t, textOf, withWords, type Word } from "@/i18n"
import { preferences } from "@/lib/preferences"
import { faultsOf } from "../tools/check-words.js"
import { bringWords, chunkWords, LANGUAGES, ROOT, SETS, wordFiles, wordsOf } from "../tools/words.js"

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

/** Answers fetches of words when told to. */
function answers(): { asked: string[]; answer: (name: string, words?: object) => Promise<void> } {
  const waiting = new Map<string, (answer: Response) => void>()
  const asked: string[] = []
  vi.stubGlobal("fetch", (url: string) => {
    const name = url.replace(/^.*words\//, "")
    asked.push(name)
    return new Promise<Response>((resolve) => waiting.set(name, resolve))
  })
  const answer = async (name: string, words: object = {}) => {
    waiting.get(name)?.(Response.json(words))
    await new Promise((resolve) => setTimeout(resolve))
  }
  return { asked, answer }
}

describe("words of chunks", () => {
  afterEach(() => vi.unstubAllGlobals())
  const chunks = chunkWords(ROOT)
  const all = SETS.flatMap((set) => Object.keys(wordsOf(ROOT, set, "zh")))

  it("are brought by the chunks that name them, all of them", () => {
    expect([...new Set([...chunks.values()].flat())].sort()).toEqual([...all].sort())
  })

  it("are not brought again by pages behind the log-in", () => {
    const before = new Set([...(chunks.get("core") ?? []), ...(chunks.get("app/AppShell") ?? [])])
    const again = [...chunks].filter(([name]) => !["core", "app/AppShell"].includes(name))
    expect(again.flatMap(([, words]) => words.filter((word) => before.has(word)))).toEqual([])
  })

  it("are those of parts, too, but not of what is fetched when it opens", () => {
    expect(chunks.get("pages/DevicesPage")).toContain("views.save")
    expect(chunks.get("pages/DevicesPage")).not.toContain("imports.title")
    expect(chunks.get("pages/devices/import/ImportDialog")).toContain("imports.title")
  })

  it("have a file a language with the same names", () => {
    const names = (language: string) =>
      [...wordFiles(ROOT)].flatMap(([file, text]) =>
        file.endsWith(`.${language}.json`) ? [[file.slice(0, -8), Object.keys(JSON.parse(text) as object)]] : [],
      )
    expect(names(LANGUAGES[0] ?? "")).toEqual(names(LANGUAGES[1] ?? ""))
  })

  it("are fetched beside their chunk, by what the build puts in", () => {
    const code = 'const page = () => import("./BulkDialog.vue")'
    const changed = 'const page = () => withWords(import("./BulkDialog.vue"), "bulk/BulkDialog")'
    expect(bringWords(ROOT, code, `${ROOT}/src/bulk/BulkBar.vue`, chunks)).toContain(changed)
    expect(bringWords(ROOT, code, `${ROOT}/src/bulk/BulkBar.vue`, new Map())).toBeNull()
  })

  it("let their chunk wait", async () => {
    const { asked, answer } = answers()
    const seen: unknown[] = []
    void withWords(Promise.resolve("page"), "pages/A").then((page) => seen.push(page))
    await answer("pages/B.en.json")
    expect([asked, seen]).toEqual([["pages/A.en.json"], []])
    await answer("pages/A.en.json", { "a.word": "A word" })
    expect([seen, t("a.word" as Word)]).toEqual([["page"], "A word"])
  })

  it("are all here before the language changes, those of a page that opened meanwhile too", async () => {
    const { asked, answer } = answers()
    void loadWords("pages/C")
    await answer("pages/C.en.json", { "c.word": "C word" })
    preferences.language = "zh"
    await answer("")
    for (const name of asked.filter((one) => one.endsWith(".zh.json") && !one.includes("/C."))) await answer(name)
    void loadWords("pages/D") // still in English
    await answer("pages/D.en.json", { "d.word": "D word" })
    await answer("pages/C.zh.json", { "c.word": "丙" })
    expect([language.value, t("d.word" as Word)]).toEqual(["en", "D word"])
    await answer("pages/D.zh.json", { "d.word": "丁" })
    expect([language.value, t("c.word" as Word), t("d.word" as Word)]).toEqual(["zh", "丙", "丁"])
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
