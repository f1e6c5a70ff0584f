import { describe, expect, it } from "vitest"
import { formatBytes, formatNumber, formatValue } from "@/lib/format"
import { safeUrl } from "@/lib/url"

describe("values", () => {
  it("are numbers with separators, up to six digits behind the point", () => {
    expect(formatNumber(1234567.891)).toBe("1,234,567.891")
    expect(formatNumber(0.1 + 0.2)).toBe("0.3")
    expect(formatNumber(1e-9)).toBe("1e-9")
    expect(formatNumber(1e21)).toBe("1e+21")
    expect(formatNumber(0)).toBe("0")
  })

  it("tell nothing, false and an empty text apart", () => {
    expect(formatValue(undefined)).toBe("—")
    expect(formatValue(null)).toBe("—")
    expect(formatValue(false)).toBe("false")
    expect(formatValue("")).toBe("")
    expect(formatValue({ lat: 1 })).toBe('{"lat":1}')
  })

  it("are sizes in steps of a thousand", () => {
    expect(formatBytes(999)).toBe("999 B")
    expect(formatBytes(1_500)).toBe("1.5 kB")
    expect(formatBytes(123_456_789)).toBe("123 MB")
  })
})

describe("addresses from data", () => {
  it("lead to the web alone", () => {
    expect(safeUrl("https://example.com/a")).toBe("https://example.com/a")
    for (const text of ["javascript:alert(1)", " JavaScript:alert(1)", "data:text/html,x", "vbscript:x", "http://["])
      expect(safeUrl(text)).toBeUndefined()
  })
})
