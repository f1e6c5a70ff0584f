// Tables out of files: encodings, delimiters, cells; columns and rows of devices; what is written is safe and read back.
import { describe, expect, it } from "vitest"
import { toCsv } from "@/lib/csv"
import { devicePayload, qrPicture } from "@/qr/picture"
import { decodeFile, findDelimiter, parseTable } from "@/pages/devices/import/sheets"
import { guessFields, isHeading, namesIn, rowOf, textsOf, type Names } from "@/pages/devices/import/fields"
import { noNames } from "@/pages/devices/import/names"
import { countOf, refusedCsv, type Result } from "@/pages/devices/import/run"
import { language } from "@/i18n"

const bytes = (...numbers: number[]) => new Uint8Array(numbers)
const utf8 = (text: string) => new TextEncoder().encode(text)

describe("a file", () => {
  it("is UTF-8 where it can be", () => {
    expect(decodeFile(utf8("名称,a"))).toEqual({ text: "名称,a", encoding: "utf-8" })
    expect(decodeFile(utf8("plain"))).toEqual({ text: "plain", encoding: "utf-8" })
    expect(decodeFile(bytes())).toEqual({ text: "", encoding: "utf-8" })
  })
  it("is GB18030 where it is not UTF-8, four bytes of a character included", () => {
    // 设备, and U+3400, which GBK does not have
    expect(decodeFile(bytes(0xc9, 0xe8, 0xb1, 0xb8))).toEqual({ text: "设备", encoding: "gb18030" })
    expect(decodeFile(bytes(0xc9, 0xe8, 0x81, 0x39, 0xee, 0x39)).text).toBe("设㐀")
  })
  it("is what its mark says", () => {
    expect(decodeFile(bytes(0xef, 0xbb, 0xbf, 0x61))).toEqual({ text: "a", encoding: "utf-8" })
    expect(decodeFile(bytes(0xff, 0xfe, 0x61, 0x00, 0x0d, 0x54)).text).toBe("a名")
    expect(decodeFile(bytes(0xfe, 0xff, 0x54, 0x0d)).text).toBe("名")
  })
})

describe("a table", () => {
  it("is divided by what makes most columns, equally many in each row", () => {
    expect(findDelimiter("a,b;c\n1,2;3\n")).toBe(",")
    expect(findDelimiter("a;b,c;d\n1;2;3\n4;5,5;6")).toBe(";")
    expect(findDelimiter("a\tb\n1,5\t2,5\n")).toBe("\t")
    expect(findDelimiter('"a;b;c",d\n"e;f;g",h')).toBe(",")
    expect(findDelimiter("one\ntwo")).toBe(",")
  })
  it("keeps quoted delimiters, quotes and line ends, and leaves out empty rows", () => {
    const text = '\ufeffa,"b ""x"", y"\r\n\r\n , \n"two\nlines",2\rlast,'
    expect(parseTable(text, ",")).toEqual([
      ["a", 'b "x", y'],
      ["two\nlines", "2"],
      ["last", ""],
    ])
    expect(parseTable('a,"open', ",")).toEqual([["a", "open"]])
    expect(parseTable("", ",")).toEqual([])
  })
  it("is read back as it was written, though no cell is a formula", () => {
    const rows = [
      ["=1+1", "+1", "-1", "@a", "'quoted"],
      ['a"b', "c,d", "e\nf", " g ", "h"],
    ]
    const written = toCsv(rows)
    expect(written).toContain("'=1+1,'+1,'-1,'@a,'quoted")
    expect(parseTable(written, ",")).toEqual(rows)
  })
})

describe("columns", () => {
  it("are known by their headings in both languages, each member once", () => {
    expect(guessFields(["Name", "Device Key", "TYPE", "x", "sn", "Tags"])).toEqual([
      "name",
      "device_key",
      "type",
      null,
      null,
      "tags",
    ])
    language.value = "zh"
    expect(guessFields(["名称", "序列号", "设备类型", "设备组", "标签", "用户", "网关", "备注"])).toEqual([
      "name",
      "device_key",
      "type",
      "groups",
      "tags",
      "customer",
      "gateway",
      "descr",
    ])
    expect(isHeading(["水表 1", "a"])).toBe(false)
  })
  it("make rows of the API, names as ids", () => {
    const names: Names = {
      ...noNames(),
      type: new Map([["Meter", { id: "type0001" }]]),
      groups: new Map([["North", { id: "group001" }]]),
    }
    const texts = textsOf(
      [" m ", "k", "Meter", "North; group002", "a=1; b", ""],
      ["name", "device_key", "type", "groups", "tags", "descr"],
    )
    expect(rowOf(texts, names)).toEqual({
      body: {
        name: "m",
        device_key: "k",
        type: "type0001",
        groups: ["group001", "group002"],
        tags: { a: "1", b: "" },
      },
      problems: [],
    })
    expect(namesIn("a；b|c;;")).toEqual(["a", "b", "c"])
  })
  it("tell everything that is wrong with a row", () => {
    const names: Names = { ...noNames(), type: new Map([["X", { problem: "no X" }]]) }
    expect(rowOf({ type: "X", tags: "=1" }, names)).toEqual({
      problems: ["no X", "A tag has no key", "The name is missing"],
    })
  })
})

describe("an import", () => {
  it("is counted, and its refused rows are written with the reason behind", () => {
    const results = new Map<number, Result>([
      [2, { result: "refused", reasons: ["b", "c"] }],
      [0, { result: "created", reasons: [] }],
      [1, { result: "refused", reasons: ["=a"] }],
    ])
    expect(countOf(results)).toEqual({ created: 1, exists: 0, refused: 2 })
    const rows = [["x"], ["y", "=1"], ["z"]]
    expect(parseTable(refusedCsv(["n"], rows, results), ",")).toEqual([
      ["n", "", "Reason"],
      ["y", "=1", "=a"],
      ["z", "", "b; c"],
    ])
    expect(parseTable(refusedCsv(null, rows, results), ",")[0]).toEqual(["y", "=1", "=a"])
  })
})

describe("a QR code", () => {
  it("says the device code as the official tools do, with white around it", () => {
    expect(devicePayload("abc")).toBe('{"device_code": "abc"}')
    const { size, path } = qrPicture(devicePayload("abc"))
    expect((size - 8 - 17) % 4).toBe(0)
    expect(path.startsWith("M4 4h7v1h-7z")).toBe(true)
  })
})
