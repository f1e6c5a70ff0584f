/** The changes of two people to one rule, put together. */
import { together } from "@/lib/together"
import { formOf, MEMBERS, type RuleForm } from "./model"

/** Members that only have a meaning together. */
const PARTS: Partial<Record<keyof RuleForm, string>> = {
  type: "watches",
  devices: "watches",
  level: "condition",
  raise: "condition",
  clear: "condition",
  levels: "condition",
}

function partsOf(form: RuleForm): Record<string, Partial<RuleForm>> {
  const parts: Record<string, Partial<RuleForm>> = {}
  for (const name of MEMBERS) {
    const part = (parts[PARTS[name] ?? name] ??= {})
    if (form[name] !== undefined) Object.assign(part, { [name]: form[name] })
  }
  return parts
}

/** `mine` with what only `theirs` changed since `base`, and whether a part is left that both changed. */
export function rulesTogether(base: RuleForm, theirs: RuleForm, mine: RuleForm): { form: RuleForm; clash: boolean } {
  const before = partsOf(base)
  const { value, clashes } = together(Object.keys(before), before, partsOf(theirs), partsOf(mine))
  return { form: formOf(Object.assign({}, ...Object.values(value)) as RuleForm), clash: clashes.length > 0 }
}
