/** Filling of texts: `{name}`, or `{name:,}` as the server writes it, is an argument; `["{count} device", "{count} devices"]` is one and other. */
export type Template = string | readonly string[]
export type Arguments = Record<string, unknown>

const ARGUMENT = /\{(\w+)(?::,)?\}/g
const rules = new Map<string, Intl.PluralRules>()
const numbers = new Map<string, Intl.NumberFormat>()

function kept<T>(cache: Map<string, T>, language: string, make: () => T): T {
  let value = cache.get(language)
  if (value === undefined) cache.set(language, (value = make()))
  return value
}

function shown(value: unknown, language: string): string {
  if (typeof value === "number")
    return kept(numbers, language, () => new Intl.NumberFormat(language, { maximumFractionDigits: 20 })).format(value)
  if (Array.isArray(value)) return value.map((one) => shown(one, language)).join(language === "zh" ? "、" : ", ")
  return typeof value === "string" ? value : JSON.stringify(value)
}

/** Whether every argument that a text names is there. */
export function isComplete(template: Template, args: Arguments): boolean {
  return [template].flat().every((text) => [...text.matchAll(ARGUMENT)].every((match) => (match[1] ?? "") in args))
}

/** The text with its arguments. A name without an argument stays as it stands, so that it is seen. */
export function fill(template: Template, args: Arguments, language: string): string {
  let text: string
  if (typeof template === "string") text = template
  else {
    const count = Number(args.count ?? 0)
    const form = kept(rules, language, () => new Intl.PluralRules(language)).select(count)
    text = (form === "one" ? template[0] : template[1]) ?? ""
  }
  return text.replace(ARGUMENT, (whole, name: string) => (name in args ? shown(args[name], language) : whole))
}
