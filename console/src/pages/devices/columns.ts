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
}

/** What is kept may be of another version or tampered with. */
function kept(): Choice {
  const found = preferences.pages.devices as Partial<Choice> | undefined
  const columns = Array.isArray(found?.columns)
    ? COLUMN_NAMES.filter((name) => found.columns?.includes(name))
    : [...DEFAULT]
  const pinned = Array.isArray(found?.pinned) ? found.pinned.filter((name) => typeof name === "string") : []
  return { columns, pinned: pinned.slice(0, PINNED_MOST) }
}

export interface ChosenColumns {
  chosen: ComputedRef<Choice>
  columns: ComputedRef<Column[]>
  toggle(name: ColumnName): void
  pin(identifiers: readonly string[]): void
}

export function useColumns(): ChosenColumns {
  const chosen = computed(kept)
  const columns = computed<Column[]>(() => [
    ...(may("operator") ? [{ key: "select", label: t("bulk.select"), width: "44px", hiddenLabel: true }] : []),
    { key: "name", label: t("devices.name"), width: "minmax(11rem, 2fr)", sort: "name" },
    ...chosen.value.columns
      .filter((name) => name !== "created" && name !== "last")
      .map((name) => ({ key: name, label: t(KNOWN[name].word), width: KNOWN[name].width })),
    ...chosen.value.pinned.map((identifier) => ({
      key: `value:${identifier}`,
      label: identifier,
      width: "minmax(6rem, 9rem)",
      align: "end" as const,
    })),
    ...(["created", "last"] as const)
      .filter((name) => chosen.value.columns.includes(name))
      .map((name) => ({ key: name, label: t(KNOWN[name].word), width: KNOWN[name].width, sort: KNOWN[name].sort })),
    { key: "menu", label: t("devices.actions"), width: "4.5rem", hiddenLabel: true },
  ])
  const keep = (choice: Choice) => (preferences.pages.devices = choice)
  return {
    chosen,
    columns,
    toggle(name) {
      const { columns: now, pinned } = chosen.value
      keep({ columns: now.includes(name) ? now.filter((one) => one !== name) : [...now, name], pinned })
    },
    pin(identifiers) {
      keep({ columns: chosen.value.columns, pinned: [...new Set(identifiers)].slice(0, PINNED_MOST) })
    },
  }
}
