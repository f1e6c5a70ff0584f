/** Message rules in words. */
import { t, type Word } from "@/i18n"
import { conditionText } from "@/lib/conditions"
import type { MessageRule, On } from "./model"

export const ON_WORDS: Record<On, Word> = {
  before_report: "messageRules.onBeforeReport",
  after_report: "messageRules.onAfterReport",
  before_push: "messageRules.onBeforePush",
  after_push: "messageRules.onAfterPush",
  event: "messageRules.onEvent",
  data: "messageRules.onData",
}
export const ON_TEXTS: Record<On, Word> = {
  before_report: "messageRules.textBeforeReport",
  after_report: "messageRules.textAfterReport",
  before_push: "messageRules.textBeforePush",
  after_push: "messageRules.textAfterPush",
  event: "messageRules.textEvent",
  data: "messageRules.textData",
}
const OUTCOMES: Record<string, Word> = {
  acted: "messageRules.acted",
  delayed: "messageRules.delayed",
  off: "messageRules.outcomeOff",
  condition: "messageRules.outcomeCondition",
  no_attribute: "messageRules.outcomeNoAttribute",
  source: "messageRules.outcomeSource",
  late: "messageRules.outcomeLate",
  loop: "messageRules.outcomeLoop",
  depth: "messageRules.outcomeDepth",
  rate: "messageRules.outcomeRate",
  too_many_rules: "messageRules.outcomeTooMany",
  target_gone: "messageRules.outcomeTargetGone",
  target_offline: "messageRules.outcomeTargetOffline",
  refused: "messageRules.outcomeRefused",
  full: "messageRules.outcomeFull",
  empty: "messageRules.outcomeEmpty",
  function_off: "messageRules.outcomeFunctionOff",
  function_error: "messageRules.outcomeFunctionError",
  function_time: "messageRules.outcomeFunctionTime",
  function_memory: "messageRules.outcomeFunctionMemory",
  deadline: "messageRules.outcomeDeadline",
  error: "messageRules.outcomeError",
  delivered: "messageRules.outcomeDelivered",
  retrying: "messageRules.outcomeRetrying",
  undelivered: "messageRules.outcomeUndelivered",
  expired: "messageRules.outcomeExpired",
}
/** What came of a message, or of an action. */
export function outcomeText(outcome: string): string {
  const word = OUTCOMES[outcome || "acted"]
  return word ? t(word) : outcome
}
/** Why a function was switched off, as the server tells it in English, in the words of the reader. */
export function functionOffText(reason: string): string {
  const row = /^(\d+) failures in a row; the last: ([^]*)$/.exec(reason)
  if (row) return t("messageRules.functionOffRow", { count: Number(row[1]), error: row[2] ?? "" })
  const often = /^(\d+) failures within (\d+) minutes; the last: ([^]*)$/.exec(reason)
  return often
    ? t("messageRules.functionOffOften", { count: Number(often[1]), minutes: Number(often[2]), error: often[3] ?? "" })
    : reason
}
/** What came of an action; one for an address outside is sent later, and told of when it got there. */
export function effectText(action: string, outcome: string): string {
  const outside = action === "url" || action === "mqtt"
  return outside && (outcome || "acted") === "acted" ? t("messageRules.queued") : outcomeText(outcome)
}
/** Outcomes that need somebody to look, others being what the rule is for. */
const WANTED = new Set(["", "acted", "delayed", "condition", "no_attribute", "source", "empty", "delivered"])
export const isBad = (outcome: string): boolean => !WANTED.has(outcome)

export function sourceText(rule: Pick<MessageRule, "type" | "devices">, names: ReadonlyMap<string, string>): string {
  if (rule.type) return names.get(rule.type) ?? rule.type
  return t("rules.deviceCount", { count: rule.devices?.length ?? 0 })
}
/** When a rule acts, such as “report: temperature > 30”. */
export function whenText(rule: Pick<MessageRule, "on" | "identifier" | "if">): string {
  const what = rule.identifier ? `${t(ON_WORDS[rule.on])} ${rule.identifier}` : t(ON_WORDS[rule.on])
  return rule.if ? `${what}: ${conditionText(rule.if)}` : what
}
