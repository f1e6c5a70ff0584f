/** The columns of the list: which there are, and which somebody chose for this browser. */
import { computed, type ComputedRef } from "vue"
import { may } from "@/api/session"
import { t, type Word } from "@/i18n"
import { preferences } from "@/lib/preferences"
import type { Column } from "@/table/columns"

export const PINNED_MOST = 6

const KNOWN = {
  status: { word: "devices.status", width: "6rem" },
  type: { word: "devices.type", width: "minmax(6rem, 1fr)" },
  device_key: { word: "devices.deviceKey", width: "minmax(6rem, 1fr)" },
  tags: { word: "devices.tags", width: "minmax(6rem, 1.2fr)" },
  created: { word: "devices.created", width: "11rem", sort: "create_time" },
  last: { word: "devices.last", width: "7rem", sort: "active" },
} as const satisfies Record<string, { word: Word; width: string; sort?: string }>
export type ColumnName = keyof typeof KNOWN
export const COLUMN_NAMES = Object.keys(KNOWN) as ColumnName[]
export const columnWord = (name: ColumnName): Word => KNOWN[name].word
const DEFAULT: readonly ColumnName[] = ["status", "type", "device_key", "tags", "last"]

interface Choice {
  columns: ColumnName[]
  pinned: string[]
  /** Keys of columns in their order; those that are not among them stand at the end. */
  order: string[]
  /** By key, in px. */
  widths: Record<string, number>
}

const LEAST = 48 // px
const MOST = 1200
const listOf = (value: unknown): string[] =>
  Array.isArray(value) ? value.filter((name): name is string => typeof name === "string") : []

/** What is kept may be of another version or tampered with. */
export function keptColumns(): Choice {
  const found = (preferences.pages.devices ?? {}) as Partial<Record<keyof Choice, unknown>>
  const named = listOf(found.columns)
  const widths = Object.entries((found.widths ?? {}) as Record<string, unknown>).filter(
    (entry): entry is [string, number] => typeof entry[1] === "number" && entry[1] >= LEAST && entry[1] <= MOST,
  )
  return {
    columns: Array.isArray(found.columns) ? COLUMN_NAMES.filter((name) => named.includes(name)) : [...DEFAULT],
    pinned: listOf(found.pinned).slice(0, PINNED_MOST),
    order: listOf(found.order),
    widths: Object.fromEntries(widths),
  }
}

export interface ChosenColumns {
  chosen: ComputedRef<Choice>
  columns: ComputedRef<Column[]>
  /** Those that can stand in another place, in their order. */
  arranged: ComputedRef<Column[]>
  toggle(name: ColumnName): void
  pin(identifiers: readonly string[]): void
  /** Puts a column in front of another one; null: at the end. */
  move(key: string, before: string | null): void
  resize(key: string, width: number): void
  /** Back to the usual order and widths. */
  reset(): void
}

const TIMES: readonly ColumnName[] = ["created", "last"]

function arrangedColumns({ columns, pinned, order }: Choice): Column[] {
  const known = (name: ColumnName): Column => ({ key: name, label: t(KNOWN[name].word), ...KNOWN[name] })
  const usual: Column[] = [
    ...columns.filter((name) => !TIMES.includes(name)).map(known),
    ...pinned.map((identifier) => ({
      key: `value:${identifier}`,
      label: identifier,
      width: "minmax(6rem, 9rem)",
      align: "end" as const,
    })),
    ...columns.filter((name) => TIMES.includes(name)).map(known),
  ]
  const place = ({ key }: Column) => (order.includes(key) ? order.indexOf(key) : order.length)
  return usual.sort((one, other) => place(one) - place(other))
}

export function useColumns(): ChosenColumns {
  const chosen = computed(keptColumns)
  const sized = (column: Column): Column => {
    const width = chosen.value.widths[column.key]
    return { ...column, sizable: true, width: width ? `${width}px` : column.width }
  }
  const arranged = computed(() => arrangedColumns(chosen.value).map((column) => sized({ ...column, movable: true })))
  const columns = computed<Column[]>(() => [
    ...(may("operator") ? [{ key: "select", label: t("bulk.select"), width: "44px", hiddenLabel: true }] : []),
    sized({ key: "name", label: t("devices.name"), width: "minmax(11rem, 2fr)", sort: "name" }),
    ...arranged.value,
    { key: "menu", label: t("devices.actions"), width: "4.5rem", hiddenLabel: true },
  ])
  const keep = (choice: Partial<Choice>) => (preferences.pages.devices = { ...chosen.value, ...choice })
  return {
    chosen,
    columns,
    arranged,
    toggle(name) {
      const now = chosen.value.columns
      keep({ columns: now.includes(name) ? now.filter((one) => one !== name) : [...now, name] })
    },
    pin: (identifiers) => keep({ pinned: [...new Set(identifiers)].slice(0, PINNED_MOST) }),
    move(key, before) {
      const order = arranged.value.map((column) => column.key).filter((one) => one !== key)
      order.splice(before === null ? order.length : Math.max(0, order.indexOf(before)), 0, key)
      keep({ order })
    },
    resize: (key, width) => keep({ widths: { ...chosen.value.widths, [key]: width } }),
    reset: () => keep({ order: [], widths: {} }),
  }
}
