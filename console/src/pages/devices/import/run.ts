/** An import: rows that are sent in chunks, and what came of each. */
import { post } from "@/api/client"
import { reasonText, type FieldError } from "@/api/errors"
import { t } from "@/i18n"
import { toCsv } from "@/lib/csv"
import { FIELD_WORDS, type Field, type Row } from "./fields"

export const CHUNK = 1000

export interface Result {
  result: "created" | "exists" | "refused"
  /** Why it was refused, or how the device that exists differs, in the reader's words. */
  reasons: string[]
}
interface Answer {
  items: { index: number; result: Result["result"]; errors?: FieldError[] }[]
}

/** A refusal with the name of its column, where it has one. */
function reasonOf(error: FieldError): string {
  const field = error.field.replace(/[[.].*$/, "") as Field
  const text = reasonText(error)
  return field in FIELD_WORDS ? t("imports.reason", { field: t(FIELD_WORDS[field]), text }) : text
}

/**
 * Sends the rows that can be sent, in chunks. `done` is called after each with the results so far, by the place of
 * their rows; rows that cannot be sent are refused from the beginning.
 */
export async function send(
  rows: readonly Row[],
  signal: AbortSignal,
  done: (results: ReadonlyMap<number, Result>) => void,
  before: ReadonlyMap<number, Result> = new Map(),
): Promise<void> {
  const results = new Map(before)
  for (const [index, { body, problems }] of rows.entries())
    if (!body) results.set(index, { result: "refused", reasons: problems })
  const waiting = rows.flatMap(({ body }, index) => (body && !results.has(index) ? [{ index, body }] : []))
  done(new Map(results))
  for (let from = 0; from < waiting.length; from += CHUNK) {
    if (signal.aborted) return
    const chunk = waiting.slice(from, from + CHUNK)
    // A chunk that was begun is waited for: its devices are made whether or not somebody waits.
    const { items } = await post<Answer>("/devices_import", { devices: chunk.map(({ body }) => body) })
    for (const { index, result, errors } of items) {
      const row = chunk[index]
      if (row) results.set(row.index, { result, reasons: (errors ?? []).map(reasonOf) })
    }
    done(new Map(results))
  }
}

export interface Count {
  created: number
  exists: number
  refused: number
}
export function countOf(results: ReadonlyMap<number, Result>): Count {
  const count = { created: 0, exists: 0, refused: 0 }
  for (const { result } of results.values()) count[result] += 1
  return count
}

/** The refused rows as they came, with the reason behind; they can be mended and imported again. */
export function refusedCsv(
  heading: readonly string[] | null,
  rows: readonly (readonly string[])[],
  results: ReadonlyMap<number, Result>,
): string {
  const reason = t("imports.reasonColumn")
  const width = rows.reduce((most, row) => Math.max(most, row.length), heading?.length ?? 0)
  const filled = (row: readonly string[]) => [...row, ...Array<string>(width - row.length).fill("")]
  const refused = [...results].filter(([, { result }]) => result === "refused").sort(([one], [other]) => one - other)
  return toCsv([
    ...(heading ? [[...filled(heading), reason]] : []),
    ...refused.map(([index, { reasons }]) => [...filled(rows[index] ?? []), reasons.join("; ")]),
  ])
}
