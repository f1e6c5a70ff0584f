/**
 * What is wrong with a definition, by the rules and in the words of the server, while it is typed. The server decides;
 * these are its rules of `model/values/definition.py`.
 */
import type { FieldError } from "@/api/errors"
import { KINDS, type DataOptions, type DataType, type Functions, type Parameter } from "./model"

const IDENTIFIER = /^[A-Za-z0-9_-]{1,64}$/
const MOST = { attributes: 500, events: 200, commands: 200, streams: 50, parameters: 100, items: 500 }
const BYTES = 262_144
const LENGTHS = { name: 128, unit: 32, word: 128 }
const PRECISION = 10
const OPTIONS: Partial<Record<DataType, readonly string[]>> = {
  number: ["unit", "precision", "min", "max"],
  switch: ["on", "off"],
  enum: ["items"],
}

/** A null is as good as nothing. */
const given = <T>(value: T | null | undefined): value is T => value !== undefined && value !== null

class Problems {
  readonly found: FieldError[] = []
  add(field: string, code: string, args: Record<string, unknown> = {}): void {
    this.found.push({ field, code, args, message: code })
  }
  text(field: string, value: unknown, most: number): void {
    if (typeof value !== "string") this.add(field, "must_be_text")
    else if ([...value].length > most) this.add(field, "too_long", { maximum: most })
  }
}

/** Every problem, by its path, such as `functions.attributes[2].data_options.min`. */
export function checkFunctions(functions: Functions): FieldError[] {
  const problems = new Problems()
  if (new TextEncoder().encode(JSON.stringify(functions)).length > BYTES)
    problems.add("functions", "json_too_large", { maximum: BYTES })
  for (const kind of KINDS)
    if (functions[kind].length > MOST[kind])
      problems.add(`functions.${kind}`, "too_many_entries", { maximum: MOST[kind] })
  if (problems.found.length > 0) return problems.found
  checkTyped(functions.attributes, problems, "functions.attributes")
  for (const kind of ["events", "commands"] as const) {
    checkNamed(functions[kind], problems, `functions.${kind}`)
    functions[kind].forEach(({ params }, index) =>
      checkParameters(params, problems, `functions.${kind}[${index}].params`),
    )
  }
  functions.commands.forEach(({ reply_params: params }, index) =>
    checkParameters(params, problems, `functions.commands[${index}].reply_params`),
  )
  checkNamed(functions.streams, problems, "functions.streams")
  const bound = functions.streams.flatMap(({ tcp }, index) => (tcp ? [index] : []))
  for (const index of bound.slice(1))
    problems.add(`functions.streams[${index}].tcp`, "tcp_bound_already", { index: bound[0] })
  return problems.found
}

function checkNamed(entries: readonly { identifier: string; name: string }[], problems: Problems, field: string): void {
  const first = new Map<string, number>()
  entries.forEach(({ identifier, name }, index) => {
    const path = `${field}[${index}]`
    if (!IDENTIFIER.test(identifier)) problems.add(`${path}.identifier`, "not_identifier")
    problems.text(`${path}.name`, name, LENGTHS.name)
    const before = first.get(identifier)
    if (before === undefined) first.set(identifier, index)
    else if (identifier)
      problems.add(`${path}.identifier`, "identifier_repeated", { identifier: `'${identifier}'`, index: before })
  })
}

function checkTyped(entries: readonly Parameter[], problems: Problems, field: string): void {
  checkNamed(entries, problems, field)
  entries.forEach(({ data_type: type, data_options: options }, index) =>
    checkOptions(type, options, problems, `${field}[${index}].data_options`),
  )
}

function checkParameters(parameters: readonly Parameter[], problems: Problems, field: string): void {
  if (parameters.length > MOST.parameters) problems.add(field, "too_many_entries", { maximum: MOST.parameters })
  else checkTyped(parameters, problems, field)
}

function checkOptions(type: DataType, options: DataOptions, problems: Problems, field: string): void {
  const known = OPTIONS[type] ?? []
  for (const key of Object.keys(options))
    if (!known.includes(key))
      problems.add(`${field}.${key}`, "no_option", { data_type: type, allowed: known.join(", ") || "none" })
  if (type === "number") checkNumber(options, problems, field)
  if (type === "enum") checkItems(options.items, problems, `${field}.items`)
  if (type === "switch")
    for (const key of ["on", "off"] as const)
      if (given(options[key])) problems.text(`${field}.${key}`, options[key], LENGTHS.word)
}

function checkNumber(options: DataOptions, problems: Problems, field: string): void {
  const { unit, precision, min, max } = options
  if (given(unit)) problems.text(`${field}.unit`, unit, LENGTHS.unit)
  if (given(precision) && !(Number.isInteger(precision) && precision >= 0 && precision <= PRECISION))
    problems.add(`${field}.precision`, "integer_in_range", { minimum: 0, maximum: PRECISION })
  for (const [key, bound] of Object.entries({ min, max }))
    if (given(bound) && typeof bound !== "number") problems.add(`${field}.${key}`, "must_be_number")
  if (typeof min === "number" && typeof max === "number" && min > max) problems.add(`${field}.min`, "min_above_max")
}

function checkItems(items: DataOptions["items"], problems: Problems, field: string): void {
  if (!Array.isArray(items) || items.length < 1 || items.length > MOST.items) {
    problems.add(field, "enum_items_count", { maximum: MOST.items })
    return
  }
  const first = new Map<unknown, number>()
  items.forEach((item: unknown, index) => {
    const path = `${field}[${index}]`
    if (
      typeof item !== "object" ||
      item === null ||
      Object.keys(item).some((key) => key !== "value" && key !== "name")
    ) {
      problems.add(path, "enum_item_shape")
      return
    }
    const { value, name = "" } = item as { value?: unknown; name?: unknown }
    problems.text(`${path}.name`, name, LENGTHS.word)
    problems.text(`${path}.value`, value, LENGTHS.word)
    if (value === "") problems.add(`${path}.value`, "empty")
    const before = first.get(value)
    if (before === undefined) first.set(value, index)
    else if (value) problems.add(`${path}.value`, "enum_value_repeated", { value: `'${String(value)}'`, index: before })
  })
}
