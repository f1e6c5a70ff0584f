/** The audit log as a file: all that a filter lets through, read part by part. */
import { ApiError } from "@/api/errors"
import { toCsv } from "@/lib/csv"
import { isoTime } from "@/lib/time"
import { readPart, type AuditItem, type Filter } from "./model"

const PART = 200
/** Entries of one file; a narrower filter gives the rest. */
export const MOST = 200_000
const HEAD = ["time", "actor kind", "actor", "address", "action", "type", "object", "name", "member", "before", "after"]

const shown = (value: unknown) =>
  value === null || value === undefined ? "" : typeof value === "string" ? value : JSON.stringify(value)

function cells(item: AuditItem): string[][] {
  const { actor, object } = item
  const about = [isoTime(item.ts), actor.kind, actor.name, item.address, item.action, object.type, object.id]
  const changes = item.changes.length > 0 ? item.changes : [{ member: "", before: null, after: null }]
  return changes.map((one) => [...about, object.name, one.member, shown(one.before), shown(one.after)])
}

/** Reads a part; where the server asks to wait, it waits. */
async function patiently(filter: Filter, before: string): ReturnType<typeof readPart> {
  for (;;) {
    try {
      return await readPart(filter, before, PART)
    } catch (error) {
      if (!(error instanceof ApiError) || error.errcode !== 429) throw error
      await new Promise((resolve) => setTimeout(resolve, (error.retryAfter ?? 1) * 1000))
    }
  }
}

/** The file, and whether it is whole: not longer than `most` entries. */
export async function exportAudit(filter: Filter, most = MOST): Promise<{ file: Blob; whole: boolean }> {
  const pieces = [toCsv([HEAD])]
  let [before, count] = ["", 0]
  do {
    const part = await patiently(filter, before)
    const taken = part.items.slice(0, most - count)
    // Without the mark that a file begins with.
    if (taken.length > 0) pieces.push(toCsv(taken.flatMap(cells)).slice(1))
    count += taken.length
    if (taken.length < part.items.length) return { file: fileOf(pieces), whole: false }
    before = part.next_before
  } while (before !== "" && count < most)
  return { file: fileOf(pieces), whole: before === "" }
}

const fileOf = (pieces: string[]): Blob => new Blob(pieces, { type: "text/csv;charset=utf-8" })
