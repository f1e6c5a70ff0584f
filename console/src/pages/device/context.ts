/** The device whose page is open: read once for all tabs, and kept up by what comes live. */
import { computed, inject, provide, shallowRef, watch, type ComputedRef, type InjectionKey, type ShallowRef } from "vue"
import { useRoute } from "vue-router"
import { get, path } from "@/api/client"
import { useResource, type Resource } from "@/lib/resource"
import { nowMs } from "@/lib/time"
import { usePainter } from "@/live/clock"
import { useTopics } from "@/live/connection"
import type { DeviceDetail, DeviceType } from "./model"

export interface DeviceContext {
  id: ComputedRef<string>
  device: Resource<DeviceDetail>
  /** Its type with the definitions; null where it has none. */
  type: Resource<DeviceType | null>
  /** The topics of this device, `[]` until it is known. */
  topics: (...kinds: string[]) => string[]
  /** When it was last heard (ms), a message that just came included; 0: never. */
  heardAt: Readonly<ShallowRef<number>>
}

const KEY: InjectionKey<DeviceContext> = Symbol("device")

export function provideDevice(): DeviceContext {
  const route = useRoute()
  const id = computed(() => String(route.params.id))
  const device = useResource((signal) => get<DeviceDetail>(path`/device/${id.value}`, {}, signal), id)
  const typeId = computed(() => (device.value.value ? device.value.value.type : null))
  const type = useResource(
    async (signal) => (typeId.value ? get<DeviceType>(path`/device_type/${typeId.value}`, {}, signal) : null),
    typeId,
  )
  const topics = (...kinds: string[]) => {
    const token = device.value.value?.view_token
    return token ? kinds.map((kind) => `${token}/${kind}`) : []
  }

  const heardAt = shallowRef(0)
  let heard = 0
  const changed = usePainter(() => (heardAt.value = heard))
  watch(
    () => device.value.value,
    (now, before) => {
      const { attributes = 0, event = 0, command_reply = 0, data = 0 } = now?.active ?? {}
      const known = Math.max(attributes, event, command_reply, data)
      heard = now && now.id === before?.id ? Math.max(heard, known) : known
      heardAt.value = heard
    },
    { immediate: true },
  )
  useTopics(
    () => topics("attributes", "event/report", "command/reply"),
    () => {
      heard = nowMs()
      changed()
    },
  )
  useTopics(
    () => topics("online", "alarm"),
    () => void device.reload(),
    () => void device.reload(),
  )

  const context = { id, device, type, topics, heardAt }
  provide(KEY, context)
  return context
}

export function useDevice(): DeviceContext {
  const context = inject(KEY)
  if (!context) throw new Error("a tab of a device stands outside of its page")
  return context
}
