/** OTA versions and rollouts, as the Project API knows them. */
import { t, type Word } from "@/i18n"

export interface VersionForm {
  name: string
  descr: string
  version_name: string
  module: string
  types: string[]
  devices: string[]
  from_versions: string[]
  version_attribute: string
  https: boolean
  enabled: boolean
  check_offers: boolean
}
export interface OtaFile {
  name: string
  size_bytes: number
  sha256: string
  md5: string
  upload_time: number
  damaged: boolean
}
export interface OtaVersion extends VersionForm {
  id: string
  file?: OtaFile
  create_time: number
  version: number
}
export const NEW_VERSION: VersionForm = {
  name: "",
  descr: "",
  version_name: "",
  module: "main",
  types: [],
  devices: [],
  from_versions: [],
  version_attribute: "version",
  https: false,
  enabled: true,
  check_offers: true,
}
/** What can be changed of a version that is there. */
export const CHANGEABLE = [
  "name",
  "descr",
  "types",
  "devices",
  "from_versions",
  "version_attribute",
  "https",
  "enabled",
  "check_offers",
] as const satisfies readonly (keyof VersionForm)[]

export const STATES = [
  "verified",
  "finished",
  "downloading",
  "sent",
  "waiting",
  "skipped",
  "failed",
  "timed_out",
  "cancelled",
] as const
export type DeviceState = (typeof STATES)[number]
export type Counts = Record<DeviceState, number>
export const STATE_WORDS: Record<DeviceState, Word> = {
  verified: "ota.verified",
  finished: "ota.finished",
  downloading: "ota.downloading",
  sent: "ota.sent",
  waiting: "ota.waiting",
  skipped: "ota.skipped",
  failed: "ota.failed",
  timed_out: "ota.timedOut",
  cancelled: "ota.cancelled",
}
export interface Wave {
  wave: number
  percent: number
  total: number
  counts: Counts
}
export interface Rollout {
  id: string
  name: string
  ota_version: string
  version_name: string
  module: string
  state: "preparing" | "created" | "running" | "paused" | "done" | "ended"
  pause_code: "" | "person" | "too_many_failed" | "wave_unverified"
  waves: number[]
  wave: number
  total: number
  counts: Counts
  progress?: Wave[]
  create_time: number
  start_time: number
  end_time: number
}
export const ROLLOUT_WORDS: Record<Rollout["state"], Word> = {
  preparing: "ota.statePreparing",
  created: "ota.stateCreated",
  running: "ota.stateRunning",
  paused: "ota.statePaused",
  done: "ota.stateDone",
  ended: "ota.stateEnded",
}
const PAUSES: Record<string, Word> = {
  person: "ota.pausedPerson",
  too_many_failed: "ota.pausedFailed",
  wave_unverified: "ota.pausedUnverified",
}
export const isOpen = ({ state }: Rollout): boolean => state !== "done" && state !== "ended"
export function rolloutText(rollout: Rollout): string {
  const pause = rollout.state === "paused" ? PAUSES[rollout.pause_code] : undefined
  return t(pause ?? ROLLOUT_WORDS[rollout.state])
}

export interface Upgrade {
  device: string
  device_name: string
  wave: number
  state: DeviceState
  bytes_served: number
  size_bytes: number
  downloads: number
  from_version: string
  code: string
  detail: string
  sent_time: number
  update_time: number
  /** Of the list of one device. */
  ota_version?: string
  rollout?: string
  version_name?: string
  module?: string
}
const REASONS: Record<string, Word> = {
  not_newer: "ota.reasonNotNewer",
  version_unknown: "ota.reasonUnknown",
  not_comparable: "ota.reasonNotComparable",
  not_from_version: "ota.reasonNotFrom",
  not_of_version: "ota.reasonNotOf",
  open_already: "ota.reasonOpen",
  version_unchanged: "ota.reasonUnchanged",
  reply: "ota.reasonReply",
  refused: "ota.reasonRefused",
  timed_out: "ota.reasonTimedOut",
  device_removed: "ota.reasonRemoved",
}
export function reasonOf({ code, detail }: Upgrade): string {
  const word = REASONS[code]
  return word ? t(word, { detail }) : code && `${code} ${detail}`.trim()
}
