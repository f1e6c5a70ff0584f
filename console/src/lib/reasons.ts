/** Why a connection began or ended, in the reader's language. The server writes these texts into its log. */
import { t, type Word } from "@/i18n"

const WORDS: Record<string, Word> = {
  connected: "reasons.connected",
  "taken over": "reasons.takenOver",
  "another connection of the device took over": "reasons.takenOver",
  disconnected: "reasons.disconnected",
  "the device disconnected": "reasons.disconnected",
  "the connection was lost": "reasons.lost",
  "nothing was heard for one and a half keep alives": "reasons.keepAlive",
  "nothing was heard for too long": "reasons.idle",
  timeout: "reasons.idle",
  gateway: "reasons.gateway",
  "the server is shutting down": "reasons.shutDown",
  "the server was restarted": "reasons.restarted",
  "certificate reset": "reasons.certificateReset",
  "type changed": "reasons.typeChanged",
  "gateway changed": "reasons.gatewayChanged",
  "device removed": "reasons.removed",
  "the peer does not read what it is sent": "reasons.notRead",
  "no registration packet came in time": "reasons.noRegistration",
}

/** The reason in words; one that a newer server tells stands as it is. */
export function connectionReason(reason: string): string {
  const word = WORDS[reason]
  return word ? t(word) : reason
}

const COMMANDS: [RegExp, Word][] = [
  [/^nobody took it in time$/, "reasons.notTaken"],
  [/^the device is not subscribed to (.+)$/, "reasons.notSubscribed"],
  [/^the device refused it: (.+)$/, "reasons.refusedCommand"],
  [/reads too slowly|too many (bytes|messages) wait/, "reasons.tooSlow"],
]

/** Why a command failed or expired. */
export function commandReason(reason: string): string {
  for (const [pattern, word] of COMMANDS) {
    const match = pattern.exec(reason)
    if (match) return t(word, { topic: match[1] ?? "" })
  }
  return connectionReason(reason)
}
