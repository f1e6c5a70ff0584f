/** The devices of a list from the first to the last, page by page: those that match, or those that are selected. */
import { get } from "@/api/client"
import { filterQuery, type State } from "../filters"
import type { DeviceRow } from "../list"

export interface ExportRow extends DeviceRow {
  device_code: string
  sub_address?: string
}
/** What is exported, and how many that were when it was chosen. */
export interface Extent {
  state: State
  /** Ids of what is selected; undefined: all that match. */
  ids?: readonly string[]
  total: number
  attributes: readonly string[]
}
interface Answer {
  items: ExportRow[]
  next_cursor?: string
}

const PAGE = 100

/** Pages of rows. One is in memory at a time. */
export async function* readAll(extent: Extent, signal: AbortSignal): AsyncGenerator<readonly ExportRow[]> {
  const attributes = extent.attributes.join(",") || undefined
  if (extent.ids) {
    for (let from = 0; from < extent.ids.length; from += PAGE) {
      const ids = extent.ids.slice(from, from + PAGE)
      const { items } = await get<Answer>("/devices", { ids: ids.join(","), attributes, page_records: PAGE }, signal)
      const byId = new Map(items.map((row) => [row.id, row]))
      yield ids.flatMap((id) => byId.get(id) ?? [])
    }
    return
  }
  const { filters, keyword, sort } = extent.state
  const query = { ...filterQuery(filters, keyword), sort, attributes, page_records: PAGE }
  for (let cursor = "start"; cursor;) {
    const { items, next_cursor } = await get<Answer>("/devices", { ...query, cursor }, signal)
    yield items
    cursor = next_cursor ?? ""
  }
}
