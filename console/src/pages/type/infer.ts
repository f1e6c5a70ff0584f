/** A definition out of what a device has sent and no definition names. */
import type { Attribute, DataType } from "@/pages/device/model"
import { typeOfValue } from "@/pages/device/values"
import type { AttributeEntry } from "./model"

function dataType(value: unknown): DataType {
  if (typeof value === "object" && value !== null && "lat" in value && "lng" in value) return "map_point"
  return typeOfValue(value)
}

/** The attributes of a device that have a value and no definition. */
export function undefinedAttributes(attributes: readonly Attribute[]): AttributeEntry[] {
  return attributes
    .filter(({ model, ts }) => !model && ts > 0)
    .map(({ identifier, value, source }) => ({
      identifier,
      name: "",
      attr_type: source === "cloud" ? "cloud" : source === "push" ? "both" : "report",
      data_type: dataType(value),
      data_options: {},
    }))
}
