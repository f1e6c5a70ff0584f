/** Values of attributes in the words of their definition, and their kinds. */
import { formatNumber, formatValue } from "@/lib/format"
import { t, type Word } from "@/i18n"
import type { Attribute, DataOptions, DataType, Source } from "./model"

/** The value as people read it: numbers as precise as defined, words of switches and enums, places as two numbers. */
export function valueText(value: unknown, type: DataType, options: DataOptions = {}): string {
  if (value === null || value === undefined) return "—"
  if (type === "number" && typeof value === "number") return formatNumber(value, options.precision ?? 6)
  if (typeof value === "boolean") {
    const named = value ? options.on : options.off
    return named || (value ? t("attributes.on") : t("attributes.off"))
  }
  if (type === "enum") return options.items?.find((item) => item.value === value)?.name || formatValue(value)
  if (type === "map_point" && typeof value === "object") {
    const { lat, lng } = value as { lat?: unknown; lng?: unknown }
    if (typeof lat === "number" && typeof lng === "number") return `${formatNumber(lat)}, ${formatNumber(lng)}`
  }
  return formatValue(value)
}

export const optionsOf = (attribute: Attribute): DataOptions => attribute.model?.data_options ?? {}
export const nameOf = (attribute: Attribute): string => attribute.model?.name || attribute.identifier
export const unitOf = (attribute: Attribute): string =>
  typeof attribute.value === "number" ? (optionsOf(attribute).unit ?? "") : ""

/** The current value of an attribute in words, without its unit. */
export function currentText(attribute: Attribute): string {
  return valueText(attribute.value, attribute.data_type, optionsOf(attribute))
}

/** How a history is drawn: as a line, as bars of states, or only as a table. */
export function drawnAs(attribute: Pick<Attribute, "data_type">): "line" | "states" | "table" {
  if (attribute.data_type === "number") return "line"
  return attribute.data_type === "switch" || attribute.data_type === "enum" || attribute.data_type === "text"
    ? "states"
    : "table"
}

export const SOURCES: Record<Source, Word> = {
  report: "attributes.report",
  push: "attributes.push",
  cloud: "attributes.cloud",
}

/** The data type of a value that no definition names. */
export function typeOfValue(value: unknown): DataType {
  if (typeof value === "number") return "number"
  if (typeof value === "boolean") return "switch"
  if (Array.isArray(value)) return "list"
  return typeof value === "object" && value !== null ? "object" : "text"
}

/** Whether somebody may send a value to the device, or change it in the cloud alone. */
export const canPush = (attribute: Attribute): boolean =>
  !attribute.model || attribute.model.attr_type === "push" || attribute.model.attr_type === "both"
export const isCloud = (attribute: Attribute): boolean => attribute.model?.attr_type === "cloud"
