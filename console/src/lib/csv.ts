/** Tables as files for spreadsheets. */

/** A cell. What a spreadsheet would run as a formula is made a text by an apostrophe in front of it. */
function cell(value: unknown): string {
  if (value === null || value === undefined) return ""
  if (typeof value === "number" || typeof value === "boolean") return String(value)
  const text = typeof value === "string" ? value : JSON.stringify(value)
  const safe = /^[=+\-@\t\r]/.test(text) ? `'${text}` : text
  return /[",\r\n]/.test(safe) ? `"${safe.replaceAll('"', '""')}"` : safe
}

/** Rows as CSV (RFC 4180), with a byte order mark, by which spreadsheets know UTF-8. */
export function toCsv(rows: readonly (readonly unknown[])[]): string {
  return `\ufeff${rows.map((row) => row.map(cell).join(",")).join("\r\n")}\r\n`
}

/** Saves a text as a file of the reader. */
export function download(name: string, text: string, type = "text/csv;charset=utf-8"): void {
  downloadBlob(name, new Blob([text], { type }))
}

/** Saves what may be larger than a text should be. */
export function downloadBlob(name: string, file: Blob): void {
  const url = URL.createObjectURL(file)
  const link = document.createElement("a")
  link.href = url
  link.download = name.replace(/[\\/:*?"<>|\s]+/g, "_")
  link.click()
  setTimeout(() => URL.revokeObjectURL(url), 10_000)
}
