/** Words of the outcomes and kinds of messages. */
import type { Word } from "@/i18n"
import type { Kind, Outcome } from "./messages"

export const OUTCOME_WORDS: Record<Outcome, Word> = {
  accepted: "debug.accepted",
  partly: "debug.partly",
  refused: "debug.refused",
  delivered: "debug.delivered",
  queued: "debug.queued",
  dropped: "debug.dropped",
  no_session: "debug.noSession",
  online: "debug.online",
  offline: "debug.offline",
  missed: "debug.missed",
}

export const KIND_WORDS: Record<Kind, Word> = {
  attributes: "debug.kindAttributes",
  event: "debug.kindEvent",
  command: "debug.kindCommand",
  data: "debug.kindData",
  connection: "debug.kindConnection",
  other: "debug.kindOther",
}
