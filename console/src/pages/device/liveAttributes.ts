/**
 * The attributes of a device with their current values: read, and then moved by what comes live. A message that came
 * after the reading began wins over what was read.
 */
import { computed, shallowRef, type ComputedRef } from "vue"
import { get, path } from "@/api/client"
import { useResource, type Resource } from "@/lib/resource"
import { nowMs } from "@/lib/time"
import { usePainter } from "@/live/clock"
import { useTopics } from "@/live/connection"
import type { DeviceContext } from "./context"
import type { Attribute, Source } from "./model"
import { typeOfValue } from "./values"

interface Message {
  attributes: Record<string, unknown>
  ts: number
  source?: Source
}
interface Live {
  value: unknown
  ts: number
  source?: Source
  cameAt: number
}
/** A timestamp that is further in the past than this is one of a report of the past (ms). */
const LATE = 60_000

/** An attribute moved by a message; itself where the message is of the past. */
export function moved(known: Attribute | undefined, identifier: string, live: Live): Attribute | undefined {
  const base: Attribute = known ?? {
    identifier,
    value: null,
    attr_type: "report",
    data_type: typeOfValue(live.value),
    ts: 0,
  }
  if (live.ts < base.ts && live.ts < live.cameAt - LATE) return known
  const source = live.source ?? "report"
  const next: Attribute = { ...base, value: live.value, ts: live.ts, source, reported: undefined }
  if (!base.model) next.data_type = typeOfValue(live.value)
  if (source !== "report")
    next.reported = base.source === "report" && base.ts ? { value: base.value, ts: base.ts } : base.reported
  return next
}

export interface LiveAttributes {
  resource: Resource<Attribute[]>
  items: ComputedRef<Attribute[]>
}

export function useAttributes(
  context: DeviceContext,
  onMessage: (attributes: Record<string, unknown>, ts: number) => void = () => {},
  onFollowed: () => void = () => {},
): LiveAttributes {
  const live = new Map<string, Live[]>()
  const version = shallowRef(0)
  const changed = usePainter(() => (version.value += 1))
  useTopics(
    () => context.topics("attributes"),
    (payload) => {
      const message = JSON.parse(new TextDecoder().decode(payload)) as Message
      for (const [identifier, value] of Object.entries(message.attributes)) {
        const one = { value, ts: message.ts, source: message.source, cameAt: nowMs() }
        const before = live.get(identifier)
        // A push keeps what was reported before it; of several reports the last one counts.
        live.set(identifier, before && one.source && one.source !== "report" ? [...before.slice(-1), one] : [one])
      }
      onMessage(message.attributes, message.ts)
      changed()
    },
    () => {
      void resource.reload()
      onFollowed()
    },
  )
  const resource = useResource(async (signal) => {
    const began = nowMs()
    const items = await get<Attribute[]>(path`/device/${context.id.value}/attributes`, {}, signal)
    for (const [identifier, messages] of live) if (messages.every((one) => one.cameAt < began)) live.delete(identifier)
    return items
  }, context.id)
  const items = computed(() => {
    void version.value
    const read = resource.value.value ?? []
    const known = new Set(read.map((item) => item.identifier))
    const apply = (item: Attribute | undefined, identifier: string) =>
      (live.get(identifier) ?? []).reduce((now, one) => moved(now, identifier, one), item)
    const all = read.map((item) => apply(item, item.identifier) ?? item)
    for (const identifier of live.keys()) {
      const added = known.has(identifier) ? undefined : apply(undefined, identifier)
      if (added) all.push(added)
    }
    return all
  })
  return { resource, items }
}
