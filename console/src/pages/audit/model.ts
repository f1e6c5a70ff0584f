/** The audit log as the server tells it, its filters in the address, and its words. */
import type { LocationQuery, LocationQueryRaw } from "vue-router"
import { get, type Query } from "@/api/client"
import { t, type Word } from "@/i18n"
import { fromInput } from "@/lib/time"
import { agentName } from "../account/agent"

export interface AuditChange {
  member: string
  before: unknown
  after: unknown
}

export interface AuditItem {
  id: string
  ts: number
  actor: { kind: "admin" | "application" | "cli"; id: string; name: string }
  address: string
  action: string
  object: { type: string; id: string; name: string }
  changes: AuditChange[]
  result: string
}

export interface AuditPart {
  items: AuditItem[]
  next_before: string
}

export const KIND_WORDS: Record<string, Word> = {
  device: "audit.kind_device",
  device_type: "audit.kind_device_type",
  device_group: "audit.kind_device_group",
  customer: "audit.kind_customer",
  alarm_rule: "audit.kind_alarm_rule",
  alarm: "audit.kind_alarm",
  notify_group: "audit.kind_notify_group",
  application: "audit.kind_application",
  administrator: "audit.kind_administrator",
  project: "audit.kind_project",
  retention: "audit.kind_retention",
  session: "audit.kind_session",
  job: "audit.kind_job",
  device_view: "audit.kind_device_view",
  message_rule: "audit.kind_message_rule",
  task: "audit.kind_task",
  forward_target: "audit.kind_forward_target",
  ota_version: "audit.kind_ota_version",
  ota_rollout: "audit.kind_ota_rollout",
}
export const ACTION_WORDS: Record<string, Word> = {
  create: "audit.action_create",
  update: "audit.action_update",
  remove: "audit.action_remove",
  add_devices: "audit.action_add_devices",
  remove_devices: "audit.action_remove_devices",
  bind: "audit.action_bind",
  unbind: "audit.action_unbind",
  join_groups: "audit.action_join_groups",
  leave_groups: "audit.action_leave_groups",
  push: "audit.action_push",
  cloud: "audit.action_cloud",
  command: "audit.action_command",
  data: "audit.action_data",
  remove_attributes: "audit.action_remove_attributes",
  acknowledge: "audit.action_acknowledge",
  clear: "audit.action_clear",
  shelve: "audit.action_shelve",
  unshelve: "audit.action_unshelve",
  comment: "audit.action_comment",
  enable_for_device: "audit.action_enable_for_device",
  run: "audit.action_run",
  upload: "audit.action_upload",
  disable_for_device: "audit.action_disable_for_device",
  take_back: "audit.action_take_back",
  cancel: "audit.action_cancel",
  end: "audit.action_end",
  log_in: "audit.action_log_in",
  log_out: "audit.action_log_out",
  rotate_token_secret: "audit.action_rotate_token_secret",
}

const inWords = (words: Record<string, Word>, name: string): string => {
  const word = words[name]
  return word ? t(word) : name
}
export const kindText = (kind: string): string => inWords(KIND_WORDS, kind)
export const actionText = (action: string): string => inWords(ACTION_WORDS, action)
export function actorText(item: AuditItem): string {
  return item.actor.kind === "cli" ? t("audit.byCommandLine") : item.actor.name || item.actor.id
}
/** What an entry is about: its name, else its id. */
export const objectText = (item: AuditItem): string =>
  (item.object.type === "session" && agentName(item.object.name)) || item.object.name || item.object.id

/** Where the console shows a thing; undefined: it has no page of its own. */
export function pageOf(item: AuditItem): string | undefined {
  if (item.action === "remove") return undefined
  const { type, id } = item.object
  if (type === "device") return `/devices/${encodeURIComponent(id)}`
  if (type === "device_type") return `/types/${encodeURIComponent(id)}`
  if (type === "alarm") return `/alarms/${encodeURIComponent(id)}`
  if (type === "alarm_rule") return `/alarm-rules/${encodeURIComponent(id)}`
  if (type === "message_rule") return `/message-rules/${encodeURIComponent(id)}`
  if (type === "task") return `/tasks/${encodeURIComponent(id)}`
  if (type === "forward_target") return `/forwarding/${encodeURIComponent(id)}`
  if (type === "ota_version") return `/ota/${encodeURIComponent(id)}`
  if (type === "ota_rollout") return `/ota/rollouts/${encodeURIComponent(id)}`
  if (type === "device_group") return "/groups"
  if (type === "application") return "/apps"
  if (type === "administrator") return "/people"
  return undefined
}

export interface Filter {
  actor: string
  kind: string
  action: string
  object: string
  /** Wall clock times of the zone of the view, as in their fields. */
  from: string
  until: string
}

const text = (value: unknown): string => (typeof value === "string" ? value : "")
export function readFilter(query: LocationQuery): Filter {
  return {
    actor: text(query.actor),
    kind: text(query.kind),
    action: text(query.action),
    object: text(query.object),
    from: text(query.from),
    until: text(query.until),
  }
}
export function addressOf(filter: Filter): LocationQueryRaw {
  return Object.fromEntries(Object.entries(filter).filter(([, value]) => value !== ""))
}

function queryOf(filter: Filter): Query {
  return {
    actor: filter.actor,
    object_type: filter.kind,
    object: filter.object,
    action: filter.action,
    start_time: filter.from ? fromInput(filter.from) : null,
    end_time: filter.until ? fromInput(filter.until) : null,
  }
}

export function readPart(filter: Filter, before: string, limit: number, signal?: AbortSignal): Promise<AuditPart> {
  return get<AuditPart>("/audit_logs", { ...queryOf(filter), before, limit }, signal)
}

/** A value as it stands in the table of changes. */
export function changeText(value: unknown): string {
  if (value === null || value === undefined) return "—"
  return typeof value === "string" ? value : JSON.stringify(value)
}
