/** Forwarding targets, as the Project API knows them. */
import { HIDDEN, MQTT_FIELDS, URL_FIELDS, type Config, type ConfigField } from "@/forms/config"
import type { Word } from "@/i18n"

export const TARGET_KINDS = ["url", "mqtt", "influxdb", "postgresql", "kafka"] as const
export type TargetKind = (typeof TARGET_KINDS)[number]
export const KIND_WORDS: Record<TargetKind, Word> = {
  url: "forwarding.kindUrl",
  mqtt: "forwarding.kindMqtt",
  influxdb: "forwarding.kindInfluxdb",
  postgresql: "forwarding.kindPostgresql",
  kafka: "forwarding.kindKafka",
}
export const MESSAGES = ["attributes", "set_attributes", "event", "data", "alarm", "presence", "command_reply"] as const
export type MessageKind = (typeof MESSAGES)[number]
export const MESSAGE_WORDS: Record<MessageKind, Word> = {
  attributes: "forwarding.attributes",
  set_attributes: "forwarding.setAttributes",
  event: "forwarding.event",
  data: "forwarding.data",
  alarm: "forwarding.alarm",
  presence: "forwarding.presence",
  command_reply: "forwarding.commandReply",
}
const CA: ConfigField = { name: "ca", word: "configs.ca", kind: "pem", seldom: true }
export const CONFIG_FIELDS: Record<TargetKind, readonly ConfigField[]> = {
  url: URL_FIELDS,
  mqtt: MQTT_FIELDS,
  influxdb: [
    { name: "url", word: "configs.address", kind: "text", required: true, placeholder: "https://influx.example.com" },
    { name: "database", word: "configs.database", kind: "text", hint: "configs.influxHint" },
    { name: "user_name", word: "configs.userName", kind: "text" },
    { name: "password", word: "configs.password", kind: "secret" },
    { name: "org", word: "configs.org", kind: "text" },
    { name: "bucket", word: "configs.bucket", kind: "text" },
    { name: "token", word: "configs.token", kind: "secret" },
    { name: "retention_policy", word: "configs.retentionPolicy", kind: "text", seldom: true },
    { name: "measurement", word: "configs.measurement", kind: "text", standard: "{kind}", seldom: true },
    {
      name: "tags",
      word: "configs.pointTags",
      kind: "list",
      placeholder: "device_id, device_key, type_id",
      seldom: true,
    },
  ],
  postgresql: [
    { name: "host", word: "configs.host", kind: "text", required: true, placeholder: "db.example.com" },
    { name: "port", word: "configs.port", kind: "number", standard: 5432 },
    { name: "database", word: "configs.database", kind: "text", required: true },
    { name: "user_name", word: "configs.userName", kind: "text", required: true },
    { name: "password", word: "configs.password", kind: "secret" },
    { name: "table", word: "configs.table", kind: "text", standard: "thingstead_messages" },
    { name: "schema", word: "configs.schema", kind: "text", standard: "public", seldom: true },
    { name: "tls", word: "configs.tls", kind: "choice", choices: ["verify", "require", "off"], standard: "verify" },
    CA,
  ],
  kafka: [
    { name: "servers", word: "configs.servers", kind: "list", required: true, placeholder: "kafka.example.com:9092" },
    { name: "topic", word: "configs.topic", kind: "text", required: true },
    { name: "tls", word: "configs.tls", kind: "switch" },
    { name: "sasl", word: "configs.sasl", kind: "choice", choices: ["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"] },
    { name: "user_name", word: "configs.userName", kind: "text" },
    { name: "password", word: "configs.password", kind: "secret" },
    { name: "compression", word: "configs.compression", kind: "choice", choices: ["none", "gzip"], standard: "none" },
    CA,
  ],
}
const FIRST: Record<TargetKind, Config> = {
  url: { url: "" },
  mqtt: { url: "", topic: "" },
  influxdb: { url: "" },
  postgresql: { host: "", database: "", user_name: "" },
  kafka: { servers: [], topic: "" },
}

export type Configs = Partial<Record<TargetKind, Config>>
export interface TargetJson extends Configs {
  name: string
  descr?: string
  enabled?: boolean
  kinds: MessageKind[]
  types?: string[]
  devices?: string[]
  tags?: Record<string, string>
  batch?: boolean
}
export interface Target extends TargetJson {
  id: string
  enabled: boolean
  kind: TargetKind
  create_time: number
  version: number
}
/** What is edited: the config of one kind is one part. */
export interface TargetForm {
  name: string
  descr: string
  enabled: boolean
  kinds: MessageKind[]
  types: string[]
  devices: string[]
  tags: Record<string, string>
  batch: boolean
  config: Configs
}
export const FIELDS = [
  "name",
  "descr",
  "enabled",
  "kinds",
  "types",
  "devices",
  "tags",
  "batch",
  "config",
] as const satisfies readonly (keyof TargetForm)[]
export const NEW_TARGET: TargetForm = {
  name: "",
  descr: "",
  enabled: true,
  kinds: ["attributes"],
  types: [],
  devices: [],
  tags: {},
  batch: true,
  config: { url: FIRST.url },
}
export const configsOf = (of: Configs): Configs =>
  Object.fromEntries(TARGET_KINDS.flatMap((kind) => (of[kind] ? [[kind, of[kind]]] : [])))
export function formOf(target: TargetJson): TargetForm {
  return {
    name: target.name,
    descr: target.descr ?? "",
    enabled: target.enabled !== false,
    kinds: target.kinds,
    types: target.types ?? [],
    devices: target.devices ?? [],
    tags: target.tags ?? {},
    batch: target.batch !== false,
    config: configsOf(target),
  }
}
/** The form, or changes of it, as the API takes them. */
export function bodyOf<F extends Partial<TargetForm>>(form: F): Record<string, unknown> {
  const { config, ...rest } = form
  return { ...rest, ...config }
}
export const kindOf = (config: Configs): TargetKind => TARGET_KINDS.find((kind) => config[kind]) ?? "url"
export const newConfig = (kind: TargetKind): Configs => ({ [kind]: FIRST[kind] })
/** Where it sends to, in a line. */
export function placeText(target: Configs): string {
  const kind = kindOf(target)
  const { url, host, servers, topic, database, table } = target[kind] ?? {}
  const where = url ?? host ?? (Array.isArray(servers) ? servers.join(", ") : "")
  return [where, topic ?? table ?? database].filter(Boolean).map(String).join(" · ")
}
/** Whether a config has something that only the server knows. */
export const hidesSecrets = (config: Configs): boolean => JSON.stringify(config).includes(`"${HIDDEN}"`)

export interface ForwardError {
  reason: string
  code: string
  args: Record<string, unknown>
  status: number
  answer: string
  ts: number
}
export interface Statistics {
  state: "running" | "backing_off" | "paused" | "off"
  waiting_items: number
  waiting_bytes: number
  waiting_since: number | null
  sent: number
  sent_bytes: number
  refused: number
  dropped: number
  dead_letters: number
  last_sent_at: number | null
  last_error: ForwardError | null
  next_try_at: number | null
}
export const STATE_WORDS: Record<Statistics["state"], Word> = {
  running: "forwarding.running",
  backing_off: "forwarding.backingOff",
  paused: "forwarding.paused",
  off: "forwarding.off",
}
export interface DeadLetter {
  id: string
  message_id: string
  kind: MessageKind
  device_id: string
  device_name: string
  ts: number
  body: unknown
  reason: string
  code: string
  args: Record<string, unknown>
  status: number
  answer: string
  create_time: number
}
export interface Tested {
  delivered: boolean
  took_ms: number
  reason: string
  code: string
  args: Record<string, unknown>
  status: number
  answer: string
}
