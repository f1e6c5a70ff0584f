/** Which devices: named ones, or those that match a filter, as the API takes it. */
import { get } from "@/api/client"
import { t } from "@/i18n"

export type DeviceFilter = Record<string, unknown> & {
  type?: string
  group?: string
  include_sub_groups?: boolean
  tag?: string[]
}
export interface Selection {
  devices?: string[]
  filter?: DeviceFilter
}

/** How many devices match now. */
export async function countOf(selection: Selection, signal?: AbortSignal): Promise<number> {
  if (selection.devices) return selection.devices.length
  const { include_sub_groups, ...filter } = selection.filter ?? {}
  const query = Object.fromEntries(
    Object.entries(filter).map(([name, value]) => [name, value as string | boolean | string[]]),
  )
  const asked = { ...query, include_sub_groups: include_sub_groups || undefined, page_records: 1 }
  return (await get<{ total: number }>("/devices", asked, signal)).total
}

/** In a line, with the names that are known. */
export function selectionText(selection: Selection, names: ReadonlyMap<string, string> = new Map()): string {
  if (selection.devices?.length) return t("rules.deviceCount", { count: selection.devices.length })
  const { type, group, tag, ...more } = selection.filter ?? {}
  const parts = [type && (names.get(type) ?? type), group && (names.get(group) ?? group), ...(tag ?? [])]
  const others = Object.entries(more)
    .filter(([name]) => name !== "include_sub_groups")
    .map(([name, value]) => `${name}: ${String(value)}`)
  return [...parts, ...others].filter(Boolean).join(", ") || t("selection.all")
}
