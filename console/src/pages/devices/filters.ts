/** The filters of the list: as chips, as they stand in the address, and as the API takes them. The names are the API's. */
import type { LocationQuery, LocationQueryRaw } from "vue-router"
import type { Word } from "@/i18n"

export const FILTER_NAMES = [
  "type",
  "group",
  "tag",
  "online",
  "active",
  "alarm_level",
  "customer",
  "gateway",
  "conn_type",
  "protocol",
] as const
export type FilterName = (typeof FILTER_NAMES)[number]

/** Filters of which the API knows the opposite, `not_…`. Those of yes and no are turned round instead. */
const NEGATED = new Set<FilterName>(["type", "group", "customer", "gateway", "tag", "alarm_level"])
const BOOLEAN = new Set<FilterName>(["online", "active"])

export interface Filter {
  name: FilterName
  value: string
  negated: boolean
}

export const FILTER_WORDS: Record<FilterName, Word> = {
  type: "devices.type",
  group: "devices.group",
  tag: "devices.tag",
  online: "devices.online",
  active: "devices.active",
  alarm_level: "devices.alarm",
  customer: "devices.customer",
  gateway: "devices.gateway",
  conn_type: "devices.connType",
  protocol: "devices.protocol",
}

/** The words of values that are fixed by the API, by filter and value. */
const VALUE_WORDS: Record<string, Word> = {
  "online:1": "common.online",
  "online:0": "common.offline",
  "active:1": "devices.activeYes",
  "active:0": "devices.activeNo",
  "alarm_level:1": "common.level1",
  "alarm_level:2": "common.level2",
  "alarm_level:3": "common.level3",
  "alarm_level:any": "devices.alarmAny",
  "alarm_level:none": "devices.alarmNone",
  "conn_type:1": "devices.direct",
  "conn_type:2": "devices.subDevice",
  "conn_type:3": "devices.gatewayDevice",
  "protocol:mqtt": "devices.mqtt",
  "protocol:tcp": "devices.tcp",
  "protocol:gateway": "devices.behindGateway",
}
export const valueWord = (name: FilterName, value: string): Word | undefined => VALUE_WORDS[`${name}:${value}`]

const texts = (value: LocationQuery[string] | undefined): string[] =>
  (Array.isArray(value) ? value : [value]).filter((text): text is string => typeof text === "string" && text !== "")
const listed = (value: LocationQuery[string] | undefined): string[] =>
  texts(value).flatMap((text) => text.split(",").filter((part) => part !== ""))

/** The filters that an address names; what is no filter is left out. */
export function readFilters(query: LocationQuery): Filter[] {
  return FILTER_NAMES.flatMap((name) => {
    const values = name === "tag" ? texts(query.tag) : texts(query[name]).slice(0, 1)
    const not = !NEGATED.has(name) ? [] : name === "tag" ? texts(query.not_tag) : listed(query[`not_${name}`])
    return [
      ...values.map((value) => ({ name, value, negated: false })),
      ...not.map((value) => ({ name, value, negated: true })),
    ]
  })
}

/** A filter among the others: one of a kind, but for tags, several of which must all match. */
export function withFilter(filters: readonly Filter[], added: Filter): Filter[] {
  const same = (one: Filter) => one.name === added.name && one.value === added.value && one.negated === added.negated
  const replaced = (one: Filter) =>
    one.name === added.name &&
    (one.value === added.value || (one.negated === added.negated && !added.negated && added.name !== "tag"))
  if (filters.some(same)) return [...filters]
  return [...filters.filter((one) => !replaced(one)), turned(added)]
}

export const without = (filters: readonly Filter[], gone: Filter): Filter[] => filters.filter((one) => one !== gone)

/** Of yes and no the opposite is the other value. */
function turned(filter: Filter): Filter {
  if (!filter.negated || NEGATED.has(filter.name)) return filter
  if (BOOLEAN.has(filter.name)) return { ...filter, value: filter.value === "1" ? "0" : "1", negated: false }
  return { ...filter, negated: false }
}

export const canNegate = (name: FilterName): boolean => NEGATED.has(name) || BOOLEAN.has(name)

/** The members of an address and of a request: those that the API knows. */
export function filterQuery(filters: readonly Filter[], keyword: string): Record<string, string | string[]> {
  const query: Record<string, string | string[]> = {}
  for (const { name, value, negated } of filters) {
    if (name === "tag") {
      const key = negated ? "not_tag" : "tag"
      query[key] = [...texts(query[key]), value]
    } else if (negated) query[`not_${name}`] = [...listed(query[`not_${name}`]), value].join(",")
    else query[name] = value
  }
  if (keyword) query.keyword = keyword
  return query
}

/** The same as the body of a change of many devices. */
export function filterBody({ filters, keyword }: Pick<State, "filters" | "keyword">): Record<string, unknown> {
  return Object.fromEntries(
    Object.entries(filterQuery(filters, keyword)).map(([name, value]) => [
      name,
      name === "online" || name === "active" ? value === "1" : value,
    ]),
  )
}

export const keywordOf = (query: LocationQuery): string => texts(query.keyword)[0] ?? ""

export interface State {
  filters: readonly Filter[]
  keyword: string
  sort: string
}

export const DEFAULT_SORT = "create_time"
const SORT = /^-?(create_time|name|active|alarm_level)$/

/** The order that an address names; one that the server does not know is passed over. */
export function sortOf(query: LocationQuery): string {
  const named = texts(query.sort)[0] ?? ""
  return SORT.test(named) ? named : DEFAULT_SORT
}

export function addressOf({ filters, keyword, sort }: State): LocationQueryRaw {
  return { ...filterQuery(filters, keyword), ...(sort !== DEFAULT_SORT && { sort }) }
}

export interface Typed {
  negated: boolean
  /** Undefined while no colon was typed: it is a keyword or the beginning of a name. */
  name?: FilterName
  text: string
}

/** What stands in the search field, such as `-type:pu`. `aliases` are the names in the reader's language. */
export function parseTyped(text: string, aliases: ReadonlyMap<string, FilterName>): Typed {
  const negated = text.startsWith("-")
  const rest = negated ? text.slice(1) : text
  const colon = rest.search(/[:：]/)
  if (colon < 0) return { negated, text: rest }
  const word = rest.slice(0, colon).trim().toLowerCase()
  const name =
    FILTER_NAMES.find((known) => known === word) ?? aliases.get(word) ?? (word === "alarm" ? "alarm_level" : undefined)
  return name ? { negated, name, text: rest.slice(colon + 1).trimStart() } : { negated: false, text }
}
