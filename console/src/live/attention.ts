/** How many alarms need attention, for the bell, the menu and the title of the tab. Read again when alarms change. */
import { computed, onScopeDispose, shallowRef } from "vue"
import { get } from "@/api/client"
import { session } from "@/api/session"
import type { AlarmsStat } from "@/lib/alarms"
import { useResource } from "@/lib/resource"
import { useTopics } from "./connection"

const PAUSE = 1000
const stat = shallowRef<AlarmsStat | null>(null)

/** Open or unacknowledged alarms; 0 before it is known. */
export const attention = computed(() => stat.value?.attention_total ?? 0)
/** The highest level among those that are open. */
export const attentionLevel = computed(() => {
  const open = stat.value?.open
  if (!open) return 0
  if (open.alarm_3_total > 0) return 3
  return open.alarm_2_total > 0 ? 2 : Math.min(1, open.alarm_1_total)
})

/** Keeps the count while the running component, the shell, is there. */
export function useAttention(): void {
  const resource = useResource(
    async (signal) => (stat.value = await get<AlarmsStat>("/alarms_stat", {}, signal)),
    () => session.value?.project.id ?? null,
  )
  let soon: ReturnType<typeof setTimeout> | undefined
  useTopics(["+/alarm"], () => {
    soon ??= setTimeout(() => {
      soon = undefined
      void resource.reload()
    }, PAUSE)
  })
  onScopeDispose(() => {
    clearTimeout(soon)
    stat.value = null
  })
}
