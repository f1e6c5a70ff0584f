/** Rules in words. */
import { t } from "@/i18n"
import { conditionText } from "@/lib/conditions"
import { levelsOf, type Rule, type RuleForm } from "./model"

export function sourceText(rule: Rule, typeNames: ReadonlyMap<string, string>): string {
  if (rule.type) return typeNames.get(rule.type) ?? rule.type
  return t("rules.deviceCount", { count: rule.devices?.length ?? 0 })
}

/** What raises, of several levels each. */
export function conditionOf(rule: RuleForm): string {
  return levelsOf(rule)
    .map(({ raise }) => conditionText(raise))
    .join("; ")
}

export const highest = (rule: RuleForm): number => levelsOf(rule)[0]?.level ?? 1

const OUTCOMES: [RegExp, (match: RegExpExecArray) => string][] = [
  [/^raise does not hold$/, () => t("rules.traceIdle")],
  [/^outside the hours of the schedule$/, () => t("rules.traceHours")],
  [/^raised with level (\d)$/, ([, level]) => t("rules.traceRaised", { level: levelName(level) })],
  [/^changed to level (\d)$/, ([, level]) => t("rules.traceChanged", { level: levelName(level) })],
  [/^cleared$/, () => t("rules.traceCleared")],
  [/^level (\d) is raised$/, ([, level]) => t("rules.traceIsRaised", { level: levelName(level) })],
  [/^was cleared by a person and waits for the next value$/, () => t("rules.traceByHand")],
  [
    /^raise holds for (\d+) of (\d+) values$/,
    ([, count, of]) => t("rules.traceCount", { done: count ?? "", of: of ?? "" }),
  ],
  [
    /^clear holds for (\d+) of (\d+) values$/,
    ([, count, of]) => t("rules.traceClearCount", { done: count ?? "", of: of ?? "" }),
  ],
  [/^from history: a condition holds$/, () => t("rules.traceHistory")],
]
function levelName(level: string | undefined): string {
  const words = { "1": "common.level1", "2": "common.level2", "3": "common.level3" } as const
  return t(words[(level ?? "1") as keyof typeof words])
}

/** What came of an evaluation, in the reader's words; `at` turns instants of ms into text. */
export function outcomeText(outcome: string, at: (ms: number) => string): string {
  return outcome
    .split("; ")
    .map((part) => {
      const level = /^level \d (?!is raised)(.*)$/.exec(part)
      const plain = level?.[1] ?? part
      for (const [pattern, text] of OUTCOMES) {
        const match = pattern.exec(plain)
        if (match) return text(match)
      }
      const since = /^(?:raise|clear) holds since (-?\d+)$/.exec(plain)
      if (since) return t("rules.traceSince", { time: at(Number(since[1])) })
      const cool = /^the cool-down lasts until (-?\d+)$/.exec(plain)
      if (cool) return t("rules.traceCoolDown", { time: at(Number(cool[1])) })
      const due = /^it takes effect at (-?\d+)$/.exec(plain)
      if (due) return t("rules.traceDue", { time: at(Number(due[1])) })
      const again = /^evaluated again at (-?\d+) without a report$/.exec(plain)
      return again ? t("rules.traceAgain", { time: at(Number(again[1])) }) : plain
    })
    .join(t("rules.traceJoin"))
}
