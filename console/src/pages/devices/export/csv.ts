/** A list of devices as CSV. The columns that the import knows are named as it knows them. */
import { t } from "@/i18n"
import { toCsv } from "@/lib/csv"
import { lastReport } from "@/lib/devices"
import { isoTime } from "@/lib/time"
import { readAll, type ExportRow, type Extent } from "./reading"

const time = (ms: number | undefined) => (ms === undefined ? "" : isoTime(ms))
const tags = (row: ExportRow) =>
  Object.entries(row.tags)
    .map(([key, value]) => (value ? `${key}=${value}` : key))
    .join("; ")

const heading = (attributes: readonly string[]) => [
  t("devices.name"),
  t("devices.deviceKey"),
  "ID",
  t("devices.type"),
  t("devices.tags"),
  t("devices.gateway"),
  t("devices.address"),
  t("imports.descr"),
  t("devices.status"),
  t("devices.created"),
  t("devices.last"),
  ...attributes,
]

const cells = (row: ExportRow, attributes: readonly string[]): unknown[] => [
  row.name,
  row.device_key,
  row.id,
  row.type_info?.name ?? "",
  tags(row),
  row.gateway ?? "",
  row.sub_address ?? "",
  row.descr,
  t(row.online ? "common.online" : "common.offline"),
  time(row.create_time),
  time(lastReport(row)),
  ...attributes.map((name) => row.values?.[name]?.value),
]

/** The file, made page by page: what was read is given to the browser, which may keep it on disk. */
export async function exportCsv(extent: Extent, signal: AbortSignal, read: (rows: number) => void): Promise<Blob> {
  const parts: Blob[] = [new Blob([toCsv([heading(extent.attributes)])])]
  let rows = 0
  for await (const page of readAll(extent, signal)) {
    parts.push(new Blob([toCsv(page.map((row) => cells(row, extent.attributes))).replace(/^\ufeff/, "")]))
    rows += page.length
    read(rows)
  }
  return new Blob(parts, { type: "text/csv;charset=utf-8" })
}
