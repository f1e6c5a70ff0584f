/** What the list of devices reads, and how it is moved by what comes live. */
import { call, get, queryString, type Query } from "@/api/client"
import type { Active, Facet } from "@/lib/devices"
import { PAGE_SIZE, type Page } from "@/table/pagedRows"
import { filterQuery, type FilterName, type State } from "./filters"

export type Facets = Partial<Record<string, Facet[]>>

export interface DeviceRow {
  id: string
  name: string
  descr: string
  device_key: string
  tags: Record<string, string>
  create_time: number
  alarm: { alarm_status?: number; alarm_level?: number; ts?: number }
  active: Active
  online: boolean
  type: string
  type_info?: { id: string; name: string; conn_type: string }
  gateway?: string
  view_token: string
  values?: Record<string, { value: unknown; ts: number }>
}

const pageQuery = (state: State, attributes: readonly string[], page: number, size: number): Query => ({
  ...filterQuery(state.filters, state.keyword),
  sort: state.sort,
  page,
  page_records: size,
  attributes: attributes.join(","),
})

/** A page that is read before the list is there; the list takes it if it asks for the same. */
let ahead: { address: string; answer: Promise<Page<DeviceRow>> } | null = null

/** Begins to read the first rows of an address, while the rest of the page still comes. */
export function beginReading(state: State, attributes: readonly string[]): void {
  const query = pageQuery(state, attributes, 1, PAGE_SIZE)
  const answer = call<Page<DeviceRow>>("GET", "/devices", { query, bare: true })
  answer.catch(() => {}) // told where the list reads it again
  ahead = { address: queryString(query), answer }
}

export async function readPage(
  state: State,
  attributes: readonly string[],
  page: number,
  size: number,
  signal: AbortSignal,
): Promise<Page<DeviceRow>> {
  const query = pageQuery(state, attributes, page, size)
  const begun = ahead
  ahead = null
  if (begun?.address === queryString(query)) {
    const found = await begun.answer.catch(() => null)
    signal.throwIfAborted()
    if (found) return found
  }
  return get<Page<DeviceRow>>("/devices", query, signal)
}

/** How many devices of the list have which values; `tag:KEY` are the values of a tag. */
export async function readFacets(state: State, names: readonly string[], signal: AbortSignal): Promise<Facets> {
  const query = { ...filterQuery(state.filters, state.keyword), page_records: 1, facets: names.join(",") }
  return (await get<{ facets?: Facets }>("/devices", query, signal)).facets ?? {}
}

export const PANEL_FACETS: readonly FilterName[] = [
  "online",
  "active",
  "alarm_level",
  "type",
  "group",
  "tag",
  "customer",
  "conn_type",
  "protocol",
]

interface Message {
  attributes?: Record<string, unknown>
  online?: boolean
  alerting?: boolean
  alarm_level?: number
  ts: number
}

/** A row moved by a message of its device. What is older than what is known changes no value. */
export function moved(row: DeviceRow, kind: string, message: Message, pinned: readonly string[]): DeviceRow {
  if (kind === "online") return { ...row, online: message.online ?? row.online }
  if (kind === "alarm") {
    // Which of several alarms is the highest is the server's to say: the level only rises here.
    if (!message.alerting) return row
    const level = Math.max(row.alarm.alarm_level ?? 0, message.alarm_level ?? 0)
    return { ...row, alarm: { ...row.alarm, alarm_status: 1, alarm_level: level } }
  }
  const values = { ...row.values }
  for (const identifier of pinned) {
    const value = message.attributes?.[identifier]
    if (value !== undefined && message.ts >= (values[identifier]?.ts ?? 0))
      values[identifier] = { value, ts: message.ts }
  }
  const attributes = Math.max(row.active.attributes ?? 0, message.ts)
  return { ...row, values, active: { ...row.active, attributes } }
}
