/** Words of channels and of what became of notices. */
import type { Word } from "@/i18n"

export const CHANNEL_KINDS = ["email", "webhook", "dingtalk", "wecom", "feishu", "telegram"] as const
export type ChannelKind = (typeof CHANNEL_KINDS)[number]

export const CHANNEL_WORDS: Record<string, Word> = {
  email: "notify.email",
  webhook: "notify.webhook",
  dingtalk: "notify.dingtalk",
  wecom: "notify.wecom",
  feishu: "notify.feishu",
  telegram: "notify.telegram",
}

export const NOTICE_STATES = ["waiting", "sent", "failed", "expired", "held"] as const
const STATES: Record<string, Word> = {
  waiting: "notify.waiting",
  sent: "notify.sent",
  failed: "notify.failed",
  expired: "notify.expired",
  held: "notify.held",
  digested: "notify.digested",
  dropped: "notify.dropped",
}
export const stateWord = (state: string): Word => STATES[state] ?? "notify.dropped"
