/** What several pages read and show of devices. Instants are ms UTC. */
import { get, path } from "@/api/client"
import type { PortAddress } from "@/lib/snippets"

/** The newest message of each kind that a device has sent. */
export type Active = Partial<Record<"attributes" | "event" | "command_reply" | "data" | "connect", number>>

/** A value that devices of a list have, and how many have it; `name` of what is named by an id. */
export interface Facet {
  value: string
  count: number
  name?: string
}

/** The newest of what a device sent; undefined where it never sent anything. */
export function lastReport({ active }: { active: Active }): number | undefined {
  const { attributes, event, command_reply, data } = active
  const times = [attributes, event, command_reply, data].filter((ms): ms is number => ms !== undefined)
  return times.length > 0 ? Math.max(...times) : undefined
}

export interface Credentials {
  certificate: { access_token: string; project_key: string }
  endpoints: PortAddress[]
}

/** What a device is configured with: its certificate, and the addresses at which the server listens. */
export async function readCredentials(deviceId: string, signal: AbortSignal): Promise<Credentials> {
  const [certificate, info] = await Promise.all([
    get<Credentials["certificate"]>(path`/device/${deviceId}/certificate`, {}, signal),
    get<{ endpoints?: PortAddress[] }>("/project/connection_info", {}, signal),
  ])
  return { certificate, endpoints: info.endpoints ?? [] }
}
