/** Columns of a table of devices: which member of a device each is, and what is wrong in a row. */
import { t, type Word } from "@/i18n"
import { parseTags } from "@/lib/tags"

export const FIELDS = [
  "name",
  "device_key",
  "type",
  "groups",
  "tags",
  "customer",
  "gateway",
  "sub_address",
  "descr",
] as const
export type Field = (typeof FIELDS)[number]

export const FIELD_WORDS: Record<Field, Word> = {
  name: "devices.name",
  device_key: "devices.deviceKey",
  type: "devices.type",
  groups: "devices.groups",
  tags: "devices.tags",
  customer: "devices.customer",
  gateway: "devices.gateway",
  sub_address: "devices.address",
  descr: "imports.descr",
}

const ALIASES: Record<string, Field> = {
  设备名称: "name",
  设备名: "name",
  devicename: "name",
  key: "device_key",
  serial: "device_key",
  serialnumber: "device_key",
  sn: "device_key",
  imei: "device_key",
  序列号: "device_key",
  设备key: "device_key",
  类型: "type",
  devicetype: "type",
  typename: "type",
  typeid: "type",
  typeinfo: "type",
  group: "groups",
  devicegroup: "groups",
  devicegroups: "groups",
  分组: "groups",
  tag: "tags",
  gatewayid: "gateway",
  address: "sub_address",
  subaddress: "sub_address",
  地址: "sub_address",
  description: "descr",
  remark: "descr",
  备注: "descr",
  描述: "descr",
}

const plain = (text: string) => text.toLowerCase().replaceAll(/[\s_\-./（）()]+/g, "")

/** The member that each column seems to be, by its heading; each at most once. */
export function guessFields(heading: readonly string[]): (Field | null)[] {
  const taken = new Set<Field>()
  return heading.map((cell) => {
    const word = plain(cell)
    const found =
      FIELDS.find((field) => plain(field) === word || plain(t(FIELD_WORDS[field])) === word) ?? ALIASES[word] ?? null
    if (found === null || taken.has(found)) return null
    taken.add(found)
    return found
  })
}

/** Whether the first row names the columns rather than being a device. */
export const isHeading = (first: readonly string[]): boolean => guessFields(first).some((field) => field !== null)

/** A row by members, as text. */
export type Texts = Partial<Record<Field, string>>

export function textsOf(row: readonly string[], fields: readonly (Field | null)[]): Texts {
  const texts: Texts = {}
  for (const [index, field] of fields.entries()) {
    const text = row[index]?.trim() ?? ""
    if (field && text !== "") texts[field] = text
  }
  return texts
}

/** Several names in one cell. */
export const namesIn = (text: string): string[] =>
  text
    .split(/[;；|\n]+/)
    .map((part) => part.trim())
    .filter((part) => part !== "")

const tagsIn = (text: string) => parseTags(text.replaceAll(/[;；|]+/g, "\n"))

/** What a name stands for: an id, or why there is none. */
export type Found = { id: string } | { problem: string }
export type Named = "type" | "groups" | "customer" | "gateway"
export const NAMED: readonly Named[] = ["type", "groups", "customer", "gateway"]
export type Names = Record<Named, ReadonlyMap<string, Found>>

export interface Row {
  /** The row of the API; undefined where the row cannot be sent. */
  body?: Record<string, unknown>
  problems: string[]
}

/** A row as the API takes it. A name that was not looked up yet is no problem. */
export function rowOf(texts: Texts, names: Names): Row {
  const problems: string[] = []
  const idOf = (kind: Named, name: string): string => {
    const found = names[kind].get(name)
    if (found && "problem" in found) problems.push(found.problem)
    return found && "id" in found ? found.id : name
  }
  const body: Record<string, unknown> = {}
  for (const [field, text] of Object.entries(texts) as [Field, string][]) {
    if (field === "groups") body.groups = namesIn(text).map((name) => idOf("groups", name))
    else if (field === "tags") {
      const tags = tagsIn(text)
      if (tags) body.tags = tags
      else problems.push(t("devices.tagsWrong"))
    } else if (field === "type" || field === "customer" || field === "gateway") body[field] = idOf(field, text)
    else body[field] = text
  }
  if (!texts.name) problems.push(t("imports.noName"))
  return problems.length > 0 ? { problems } : { body, problems }
}
