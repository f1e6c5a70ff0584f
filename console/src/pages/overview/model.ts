/** What the overview reads: counts, open alarms, devices that fell silent, and what the server warns of. */
import { get, path, post } from "@/api/client"
import { Unreachable } from "@/api/errors"
import type { Alarm } from "@/lib/alarms"
import type { Active, Facet } from "@/lib/devices"

export interface DevicesStat {
  device_total: number
  online_device_total: number
  active_device_total: number
  inactive_device_total: number
  alarm_device_total: number
}

export interface AlarmStat {
  alarm_1_total: number
  alarm_2_total: number
  alarm_3_total: number
}

export type { Alarm } from "@/lib/alarms"

export interface Listed<T> {
  items: T[]
  total: number
}

export interface SilentDevice {
  id: string
  name: string
  online: boolean
  active: Active
}

export interface Counts {
  devices: DevicesStat
  alarms: AlarmStat
}

export interface Silent {
  devices: SilentDevice[]
  total: number
  types: Facet[]
}

export const OPEN_SHOWN = 10
const SILENT_SHOWN = 5

export async function readCounts(signal: AbortSignal): Promise<Counts> {
  const [devices, alarms] = await Promise.all([
    get<DevicesStat>("/devices_stat", {}, signal),
    get<AlarmStat>("/devices_alarm_stat", {}, signal),
  ])
  return { devices, alarms }
}

export const readOpenAlarms = (signal: AbortSignal) =>
  get<Listed<Alarm>>("/alarms", { attention: true, page_records: OPEN_SHOWN }, signal)

export async function readSilent(signal: AbortSignal): Promise<Silent> {
  const answer = await get<Listed<SilentDevice> & { facets?: { type?: Facet[] } }>(
    "/devices",
    { active: false, sort: "-active", page_records: SILENT_SHOWN, facets: "type" },
    signal,
  )
  return {
    devices: answer.items,
    total: answer.total,
    types: (answer.facets?.type ?? []).filter((facet) => facet.count > 0).slice(0, SILENT_SHOWN),
  }
}

export const acknowledge = (alarm: Alarm) => post(path`/alarm/${alarm.id}/acknowledge`)

export interface Warning {
  code: string
  message: string
}

/** What an operator should look at. The server's health is open to anyone. */
export async function readWarnings(signal: AbortSignal): Promise<Warning[]> {
  const answer = await fetch("/healthz", { signal, cache: "no-store" }).catch((error: unknown) => {
    if (signal.aborted) throw error
    throw new Unreachable(String(error))
  })
  const health = (await answer.json()) as { warnings?: Warning[]; message?: string; status?: string }
  if (!answer.ok) return [{ code: "unhealthy", message: health.message ?? health.status ?? String(answer.status) }]
  return health.warnings ?? []
}
