/** Tasks, their runs and results, as the Project API knows them. */
import type { DeviceFilter, Selection } from "@/forms/selection"
import type { Action, ActionKind } from "@/pages/actions/model"
import { HOUR } from "@/lib/time"

export interface Schedule {
  at?: number
  cron?: string
  every_ms?: number
  sun?: "sunrise" | "sunset"
  offset_ms?: number
  latitude?: number
  longitude?: number
  timezone?: string
  start_at?: number
  end_at?: number
  max_runs?: number
}
export type Way = "cron" | "every" | "at" | "sun"
export type Missed = "once" | "skip" | "all"

export interface TaskJson {
  name: string
  descr?: string
  enabled?: boolean
  schedule: Schedule
  devices?: string[]
  filter?: DeviceFilter
  action: Action
  missed?: Missed
  missed_within_ms?: number
}
export interface Run {
  id: string
  task_id: string
  trigger: "schedule" | "manual"
  planned_at: number
  last_planned_at: number
  instants: number
  begin_time: number
  end_time: number
  state: "running" | "done" | "cancelled" | "failed" | "left_out" | "missed"
  total: number
  done: number
  empty: number
  refused: number
  by: { name: string } | null
  code: string
  args: Record<string, unknown>
  message: string
}
export interface Task extends TaskJson {
  id: string
  enabled: boolean
  state: "scheduled" | "off" | "ended" | "no_instant"
  next_run_at: number
  run_count: number
  last_run: Run | null
  create_time: number
  version: number
}
export interface Result {
  device_id: string
  name: string
  result: "done" | "empty" | "refused"
  code: string
  args: Record<string, unknown>
  message: string
  ts: number
  command: string
  command_state: string
}
export interface Preview {
  words: { en: string; zh: string }
  timezone: string
  instants: { ts: number; local: string }[]
  notes: { code: string; args: Record<string, unknown>; message: string }[]
}

/** What is edited; the devices are one part of it. */
export interface TaskForm {
  name: string
  descr: string
  enabled: boolean
  schedule: Schedule
  selection: Selection
  action: Action
  missed: Missed
  missed_within_ms: number
}
export const FIELDS = [
  "name",
  "descr",
  "enabled",
  "schedule",
  "selection",
  "action",
  "missed",
  "missed_within_ms",
] as const satisfies readonly (keyof TaskForm)[]
export const KINDS: readonly ActionKind[] = ["push", "command", "data", "function"]
export const RESULTS = ["push", "command", "data"]

export function formOf(task: TaskJson): TaskForm {
  return {
    name: task.name,
    descr: task.descr ?? "",
    enabled: task.enabled !== false,
    schedule: task.schedule,
    selection: task.devices?.length ? { devices: task.devices } : { filter: task.filter ?? {} },
    action: task.action,
    missed: task.missed ?? "once",
    missed_within_ms: task.missed_within_ms ?? HOUR,
  }
}
export function jsonOf(form: TaskForm): TaskJson {
  return {
    name: form.name,
    ...(form.descr && { descr: form.descr }),
    ...(!form.enabled && { enabled: false }),
    schedule: form.schedule,
    ...form.selection,
    action: form.action,
    missed: form.missed,
    ...(form.missed === "once" && form.missed_within_ms !== HOUR && { missed_within_ms: form.missed_within_ms }),
  }
}
export function patchOf(changes: Partial<TaskForm> & { version?: number }): Record<string, unknown> {
  const { selection, ...rest } = changes
  return selection ? { ...rest, ...selection } : rest
}

export function wayOf(schedule: Schedule): Way {
  if (schedule.at !== undefined) return "at"
  if (schedule.every_ms !== undefined) return "every"
  return schedule.sun !== undefined ? "sun" : "cron"
}
/** A schedule of another kind, with what goes with both. */
export function changedTo(way: Way, from: Schedule, now: number): Schedule {
  const { start_at, end_at, max_runs, timezone } = from
  const kept = {
    ...(start_at && { start_at }),
    ...(end_at && { end_at }),
    ...(max_runs && { max_runs }),
  }
  if (way === "at") return { at: Math.ceil((now + HOUR) / HOUR) * HOUR }
  if (way === "every") return { every_ms: HOUR, ...kept }
  if (way === "sun") return { sun: "sunset", offset_ms: 0, latitude: 0, longitude: 0, ...kept }
  return { cron: "0 8 * * 1-5", ...(timezone && { timezone }), ...kept }
}

export const share = (run: Run): number =>
  run.total ? (run.done + run.empty + run.refused) / run.total : run.end_time ? 1 : 0
