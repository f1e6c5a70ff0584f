/** Why does this device send nothing, and since when? What is known of it, in the order of what to look at first. */
import type { Word } from "@/i18n"
import { MINUTE } from "@/lib/time"
import type { ConnectionChange, DeviceDetail, Rejected } from "./model"

/** From this age on the silence of a connected device is told (ms), as the platform calls devices inactive. */
const SILENT = 24 * 60 * MINUTE
const GRACE = MINUTE

export interface Finding {
  kind: "bad" | "warn" | "info"
  title: Word
  args?: Record<string, string | number>
  /** What to do about it. */
  advice: Word
  at?: number
  refused?: Rejected
  /** The tab that helps. */
  tab?: "device-connection" | "device-settings"
  /** The device that it depends on. */
  gateway?: DeviceDetail
}

export interface Known {
  device: DeviceDetail
  /** The newest change of its connection. */
  change?: ConnectionChange
  /** What was refused last. */
  refused?: Rejected
  gateway?: DeviceDetail
  heardAt: number
  now: number
}

const CODES: [RegExp, Word][] = [
  [/^wrong_project_key$/, "health.adviceKey"],
  [/topic/, "health.adviceTopic"],
  [/json|payload/, "health.adviceJson"],
  [/^device_is_no_gateway$|gateway/, "health.adviceGatewayType"],
]

/** What to do about a refusal, by its code; of an older entry by its text. */
export function adviceFor(refused: Rejected): Word {
  if (refused.topic === "log-in") return "health.adviceKey"
  const code = refused.code || refused.reason.toLowerCase().replace(/\W+/g, "_")
  const known = CODES.find(([pattern]) => pattern.test(code))
  return known ? known[1] : "health.adviceValue"
}

function ofRefusal(refused: Rejected): Finding {
  const logIn = refused.topic === "log-in"
  return {
    kind: "bad",
    title: logIn ? "health.logInRefused" : "health.refused",
    advice: adviceFor(refused),
    at: refused.ts,
    refused,
    tab: "device-connection",
  }
}

const ENDS: Record<string, Word> = {
  "nothing was heard for one and a half keep alives": "health.adviceLost",
  "nothing was heard for too long": "health.adviceLost",
  "the connection was lost": "health.adviceLost",
  "the device disconnected": "health.adviceLeft",
  "certificate reset": "health.adviceReset",
  gateway: "health.adviceGateway",
}

function ofOffline(device: DeviceDetail, change: ConnectionChange): Finding {
  const advice = ENDS[change.reason] ?? (device.gateway ? "health.adviceGateway" : "health.adviceLost")
  return { kind: "warn", title: "health.offline", advice, at: change.ts, tab: "device-connection" }
}

/** Whether it reports without a connection, as devices over HTTP do. */
export const overHttp = (device: DeviceDetail) => !device.online && !device.active.connect && !!device.active.attributes

export function findings({ device, change, refused, gateway, heardAt, now }: Known): Finding[] {
  const found: Finding[] = []
  const reported = device.active.attributes ?? 0
  if (device.certificate_conflict) {
    const clients = device.certificate_conflict
      .map((one) => `${one.client_id || "—"} (${one.remote_address})`)
      .join(", ")
    found.push({
      kind: "bad",
      title: "health.rivals",
      args: { clients },
      advice: "health.adviceRivals",
      tab: "device-connection",
    })
  }
  const since = Math.max(heardAt, device.session?.connected_at ?? 0)
  const blocking = refused && refused.ts >= (refused.topic === "log-in" ? since : reported)
  if (blocking) found.push(ofRefusal(refused))
  if (gateway && !gateway.online)
    found.push({
      kind: "bad",
      title: "health.gatewayOffline",
      args: { name: gateway.name },
      advice: "health.adviceGateway",
      gateway,
    })
  const never = !heardAt && !device.active.connect
  if (never && !refused)
    found.push({
      kind: "info",
      title: "health.never",
      advice: device.gateway ? "health.adviceNeverSub" : "health.adviceNever",
      tab: device.gateway ? undefined : "device-connection",
    })
  const lost = !device.online && change && !change.online && !overHttp(device)
  if (lost && !(gateway && !gateway.online)) found.push(ofOffline(device, change))
  const connected = device.session?.connected_at ?? 0
  if (device.online && !reported && !device.gateway && now - connected > GRACE)
    found.push({
      kind: "warn",
      title: "health.mute",
      advice: "health.adviceMute",
      at: connected,
      tab: "device-connection",
    })
  else if ((device.online || overHttp(device)) && heardAt && now - heardAt > SILENT)
    found.push({
      kind: "warn",
      title: "health.silent",
      advice: "health.adviceSilent",
      at: heardAt,
      tab: "device-connection",
    })
  if (refused && !blocking && now - refused.ts < SILENT) found.push({ ...ofRefusal(refused), kind: "warn" })
  return found
}
