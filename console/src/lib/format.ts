/** Values of devices, numbers and sizes as people read them. Names and values of users are never translated. */
import { locale, t } from "@/i18n"

const cache = new Map<string, Intl.NumberFormat>()

/** A number with separators of the language. Of a measured value up to 6 digits behind the point are shown. */
export function formatNumber(value: number, digits = 6): string {
  if (!Number.isFinite(value)) return String(value)
  const magnitude = Math.abs(value)
  if (magnitude !== 0 && (magnitude >= 1e15 || magnitude < 1e-6)) return String(value)
  const name = `${locale.value} ${digits}`
  let made = cache.get(name)
  if (!made) cache.set(name, (made = new Intl.NumberFormat(locale.value, { maximumFractionDigits: digits })))
  return made.format(value)
}

/** The value of an attribute: a dash where there is none; objects as JSON. */
export function formatValue(value: unknown): string {
  if (value === undefined || value === null) return "—"
  if (typeof value === "number") return formatNumber(value)
  if (typeof value === "string") return value
  return JSON.stringify(value)
}

/** What the server says in a part of a sentence, such as "it has never connected", as a sentence of its own. */
export function sentence(text: string): string {
  if (text === "" || locale.value !== "en-GB") return text
  return `${text[0]?.toUpperCase()}${text.slice(1)}${/[.?!:]$/.test(text) ? "" : "."}`
}

const UNITS = ["B", "kB", "MB", "GB", "TB"]

/** A size in bytes, in steps of 1,000. */
export function formatBytes(bytes: number): string {
  let value = bytes
  let unit = 0
  while (Math.abs(value) >= 1000 && unit < UNITS.length - 1) {
    value /= 1000
    unit += 1
  }
  return `${formatNumber(value, unit === 0 || value >= 100 ? 0 : 1)} ${UNITS[unit]}`
}

/** A boolean in words. */
export function formatYes(value: boolean): string {
  return value ? t("common.yes") : t("common.no")
}
