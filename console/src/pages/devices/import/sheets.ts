/** Tables out of files and out of the clipboard: their encoding, delimiter and cells. */

export const DELIMITERS = [",", "\t", ";", "|"] as const
export type Delimiter = (typeof DELIMITERS)[number]
export type Encoding = "utf-8" | "utf-16le" | "utf-16be" | "gb18030"

const MARKS: readonly (readonly [Encoding, readonly number[]])[] = [
  ["utf-8", [0xef, 0xbb, 0xbf]],
  ["utf-16le", [0xff, 0xfe]],
  ["utf-16be", [0xfe, 0xff]],
]

/** The text of a file. Without a byte order mark it is UTF-8 if it can be, else GB18030, in which Excel saves in China. */
export function decodeFile(bytes: Uint8Array): { text: string; encoding: Encoding } {
  const marked = MARKS.find(([, mark]) => mark.every((byte, index) => bytes[index] === byte))?.[0]
  if (marked) return { text: new TextDecoder(marked).decode(bytes), encoding: marked }
  try {
    return { text: new TextDecoder("utf-8", { fatal: true }).decode(bytes), encoding: "utf-8" }
  } catch {
    return { text: new TextDecoder("gb18030").decode(bytes), encoding: "gb18030" }
  }
}

/** The delimiter that divides the first rows into most columns, equally many in each. */
export function findDelimiter(text: string): Delimiter {
  const begin = text.slice(0, 20_000)
  let [best, most] = [DELIMITERS[0] as Delimiter, 0]
  for (const delimiter of DELIMITERS) {
    const rows = parseTable(begin, delimiter).slice(0, 20)
    const columns = rows[0]?.length ?? 0
    const equal = rows.filter((row) => row.length === columns).length
    const score = columns > 1 ? (equal / rows.length) * 100 + Math.min(columns, 50) : 0
    if (score > most) [best, most] = [delimiter, score]
  }
  return best
}

/** Rows of cells (RFC 4180, any line end). Empty rows are left out. */
export function parseTable(text: string, delimiter: Delimiter): string[][] {
  const rows: string[][] = []
  let row: string[] = []
  let at = text.startsWith("\ufeff") ? 1 : 0
  const push = (cell: string) => row.push(unescaped(cell))
  const end = () => {
    if (row.some((cell) => cell.trim() !== "")) rows.push(row)
    row = []
  }
  while (at < text.length) {
    let cell = ""
    if (text[at] === '"') {
      const closed = quoted(text, at)
      cell = closed.cell
      at = closed.next
    }
    const from = at
    while (at < text.length && text[at] !== delimiter && text[at] !== "\n" && text[at] !== "\r") at += 1
    push(cell + text.slice(from, at))
    if (text[at] === delimiter) {
      at += 1
      if (at >= text.length) push("")
      continue
    }
    if (text[at] === "\r" && text[at + 1] === "\n") at += 1
    at += 1
    end()
  }
  if (row.length > 0) end()
  return rows
}

function quoted(text: string, at: number): { cell: string; next: number } {
  const parts: string[] = []
  let from = at + 1
  for (;;) {
    const quote = text.indexOf('"', from)
    if (quote < 0) return { cell: parts.join("") + text.slice(from), next: text.length }
    parts.push(text.slice(from, quote))
    if (text[quote + 1] !== '"') return { cell: parts.join(""), next: quote + 1 }
    parts.push('"')
    from = quote + 2
  }
}

/** Without the apostrophe that `toCsv` puts before what a spreadsheet would run. */
const unescaped = (cell: string): string => (/^'[=+\-@\t\r]/.test(cell) ? cell.slice(1) : cell)
