/** What can be chosen in a SearchPicker: types, groups, customers, gateways, devices. The server searches. */
import { get, type Query } from "@/api/client"
import { flatGroups, type GroupNode } from "@/lib/groups"

export interface Choice {
  id: string
  label: string
  /** What tells equal labels apart. */
  hint?: string
}
export interface Choices<C extends Choice = Choice> {
  items: readonly C[]
  /** How many match, those included that are not in `items`. */
  total: number
}
export type Search<C extends Choice = Choice> = (text: string, signal: AbortSignal) => Promise<Choices<C>>

const SIZE = 20

async function read<T, C extends Choice>(
  path: string,
  query: Query,
  text: string,
  signal: AbortSignal,
  shown: (item: T) => C,
): Promise<Choices<C>> {
  const wanted = { ...query, keyword: text.trim(), sort: "name", page_records: SIZE }
  const found = await get<{ items: T[]; total: number }>(path, wanted, signal)
  return { items: found.items.map(shown), total: found.total }
}

export interface TypeChoice extends Choice {
  conn_type: string
}
export const findTypes: Search<TypeChoice> = (text, signal) =>
  read<{ id: string; name: string; conn_type: string }, TypeChoice>("/device_types", {}, text, signal, (type) => ({
    id: type.id,
    label: type.name,
    conn_type: type.conn_type,
  }))

export const findCustomers: Search = (text, signal) =>
  read<{ id: string; name: string; account: string }, Choice>("/customers", {}, text, signal, customerChoice)
export const customerChoice = ({ id, name, account }: { id: string; name: string; account: string }): Choice => ({
  id,
  label: name,
  hint: account,
})

interface DeviceFound {
  id: string
  name: string
  device_key: string
}
export const deviceChoice = ({ id, name, device_key }: DeviceFound): Choice => ({
  id,
  label: name,
  hint: device_key || id,
})
export const findDevices: Search = (text, signal) => read("/devices", {}, text, signal, deviceChoice)
export const findGateways: Search = (text, signal) => read("/devices", { conn_type: "3" }, text, signal, deviceChoice)
export const findDevicesOfType =
  (type: string): Search =>
  (text, signal) =>
    read("/devices", { type }, text, signal, deviceChoice)

/** Groups by their paths. `tree` is read once for a picker; there are at most some thousand groups. */
export function groupSearch(without: ReadonlySet<string> = new Set()): Search {
  let tree: Promise<Choice[]> | undefined
  return async (text, signal) => {
    tree ??= get<{ items: GroupNode[] }>("/device_groups_tree", {}, signal).then(({ items }) => flatGroups(items))
    let all: Choice[]
    try {
      all = await tree
    } catch (error) {
      tree = undefined
      throw error
    }
    const wanted = text.trim().toLowerCase()
    const found = all.filter(({ id, label }) => !without.has(id) && label.toLowerCase().includes(wanted))
    return { items: found.slice(0, 5 * SIZE), total: found.length }
  }
}
