/** What the Project API tells of a device. Instants are ms UTC. */

export interface DeviceDetail {
  id: string
  name: string
  descr: string
  device_key: string
  tags: Record<string, string>
  create_time: number
  /** Empty where no alarm is open. */
  alarm: { alarm_status?: number; alarm_level?: number; ts?: number }
  /** The newest message of each kind that the device has sent. */
  active: Partial<Record<"attributes" | "event" | "command_reply" | "data" | "connect", number>>
  online: boolean
  type: string
  type_info?: { id: string; name: string; conn_type: string; conn_protocol: string }
  gateway?: string
  sub_address?: string
  view_token: string
  device_code: string
  groups: { id: string; name: string }[]
  customer?: { id: string; account: string; name: string }
  session?: { protocol: string; client_id: string; remote_address: string; connected_at: number }
  certificate_conflict?: { client_id: string; remote_address: string }[]
  /** Of its name, description, key, tags and so on: sent back with a change, so that no other change is lost. */
  version?: number
}

export type DataType =
  "number" | "text" | "switch" | "enum" | "object" | "list" | "map_point" | "map_circle" | "map_polygon" | "daily_timer"
export type AttrType = "report" | "push" | "both" | "cloud"
export type Source = "report" | "push" | "cloud"

export interface DataOptions {
  unit?: string
  precision?: number
  min?: number
  max?: number
  on?: string
  off?: string
  items?: { value: unknown; name: string }[]
}

export interface Parameter {
  identifier: string
  name: string
  data_type: DataType
  data_options: DataOptions
}

export interface Attribute {
  identifier: string
  value: unknown
  attr_type: AttrType
  data_type: DataType
  ts: number
  source?: Source
  /** What the device itself said last, where a push or the cloud has replaced it. */
  reported?: { value: unknown; ts: number }
  /** Its definition; absent where the type has none. */
  model?: { name: string; attr_type: AttrType; data_type: DataType; data_options: DataOptions }
}

export interface Method {
  identifier: string
  name: string
  params: Parameter[]
  reply_params?: Parameter[]
}

export interface DeviceType {
  id: string
  name: string
  conn_type: string
  functions: {
    attributes: Parameter[]
    events: Method[]
    commands: Method[]
    streams: { identifier: string; name: string; format: string; tcp: boolean }[]
  }
}

export interface DeviceEvent {
  id: string
  method: string
  params: Record<string, unknown>
  ts: number
}

export type CommandState = "queued" | "sent" | "delivered" | "replied" | "failed" | "expired"

export interface Command {
  id: string
  method: string
  params: unknown
  command_id: number
  state: CommandState
  reason: string
  code?: string
  args?: Record<string, unknown>
  reply?: unknown
  create_time: number
  expire_time: number
  update_time: number
}

export interface ConnectionChange {
  ts: number
  online: boolean
  reason: string
  code?: string
  args?: Record<string, unknown>
  session_id: string
  replaced?: string
  protocol: string
  client_id: string
  remote_address: string
}

export interface Rejected {
  ts: number
  topic: string
  reason: string
  code?: string
  args?: Record<string, unknown>
  errors: { field: string; message: string; code?: string; args?: Record<string, unknown> }[]
  payload: string
  suppressed: number
}

export type { Alarm } from "@/lib/alarms"

export interface Listed<T> {
  items: T[]
  total: number
  page_total: number
  next_cursor?: string
}
