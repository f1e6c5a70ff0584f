/** How something outside is reached: the members of its config, as fields. */
import type { Word } from "@/i18n"

export const HIDDEN = "***"
export interface ConfigField {
  name: string
  word: Word
  kind: "text" | "secret" | "number" | "switch" | "choice" | "list" | "pem" | "headers"
  required?: boolean
  placeholder?: string
  choices?: readonly string[]
  /** What it is where it is left out. */
  standard?: string | number
  hint?: Word
  /** Whether it stands among what is seldom needed. */
  seldom?: boolean
}
export type Config = Record<string, unknown>

export const MQTT_FIELDS: readonly ConfigField[] = [
  { name: "url", word: "configs.broker", kind: "text", required: true, placeholder: "mqtts://broker.example.com:8883" },
  {
    name: "topic",
    word: "configs.topic",
    kind: "text",
    required: true,
    placeholder: "things/{device_key}/{kind}",
    hint: "configs.topicHint",
  },
  { name: "user_name", word: "configs.userName", kind: "text" },
  { name: "password", word: "configs.password", kind: "secret" },
  {
    name: "version",
    word: "configs.mqttVersion",
    kind: "choice",
    choices: ["5", "3.1.1"],
    standard: "5",
    seldom: true,
  },
  { name: "client_id", word: "configs.clientId", kind: "text", seldom: true },
  { name: "retain", word: "configs.retain", kind: "switch", seldom: true },
  { name: "keep_alive_s", word: "configs.keepAlive", kind: "number", seldom: true },
  { name: "ca", word: "configs.ca", kind: "pem", seldom: true },
  { name: "certificate", word: "configs.certificate", kind: "pem", seldom: true },
  { name: "key", word: "configs.privateKey", kind: "pem", seldom: true },
  { name: "server_name", word: "configs.serverName", kind: "text", seldom: true },
]
export const URL_FIELDS: readonly ConfigField[] = [
  { name: "url", word: "configs.address", kind: "text", required: true, placeholder: "https://example.com/hook" },
  { name: "secret", word: "configs.secret", kind: "secret", hint: "configs.secretHint" },
  { name: "headers", word: "configs.headers", kind: "headers", hint: "configs.headersHint" },
]
/** Of the action of a message rule. */
export const POST_FIELDS: readonly ConfigField[] = [
  { name: "url", word: "actions.address", kind: "text", required: true, placeholder: "https://example.com/hook" },
  { name: "secret", word: "actions.secret", kind: "secret", hint: "actions.secretHint" },
]

export const SECRETS: ReadonlySet<string> = new Set(["secret", "password", "token", "key", "headers"])
/** Whether a secret was typed anywhere in it, which no draft keeps. */
export function hasSecret(value: unknown): boolean {
  if (typeof value !== "object" || value === null) return false
  return Object.entries(value).some(([name, inner]) => {
    const typed = SECRETS.has(name) ? JSON.stringify(inner).replaceAll(`"${HIDDEN}"`, '""') : ""
    return (typed !== "" && !/^("")?$|^\{("[^"]*":"",?)*\}$/.test(typed)) || hasSecret(inner)
  })
}
