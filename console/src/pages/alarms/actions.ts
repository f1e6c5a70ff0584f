/** What people do to alarms, with what is said afterwards and the way back. */
import { t, type Word } from "@/i18n"
import { actOnMany, type AlarmVerb, type ManyDone, type Selection } from "@/lib/alarms"
import { confirm } from "@/lib/confirm"
import { DAY, HOUR } from "@/lib/time"
import { toastDone } from "@/lib/toasts"

export const SHELF_TIMES = [
  { for_ms: HOUR, word: "alarms.for1h" },
  { for_ms: 8 * HOUR, word: "alarms.for8h" },
  { for_ms: DAY, word: "alarms.for1d" },
  { for_ms: 7 * DAY, word: "alarms.for7d" },
] as const

const DONE: Record<AlarmVerb, Word> = {
  acknowledge: "alarms.manyAcknowledged",
  shelve: "alarms.manyShelved",
  unshelve: "alarms.manyUnshelved",
  clear: "alarms.manyCleared",
}

function said(verb: AlarmVerb, many: ManyDone): string {
  const parts = [t(DONE[verb], { count: many.done.length })]
  if (many.unchanged > 0) parts.push(t("alarms.manyUnchanged", { count: many.unchanged }))
  if (many.refused.length > 0) {
    const reason = many.refused[0]?.message ?? ""
    parts.push(t("alarms.manyRefused", { count: many.refused.length, reason }))
  }
  return parts.join(" ")
}

/** Asks before many are acknowledged at once, which nobody can take back. */
export function confirmAcknowledge(count: number): Promise<boolean> {
  return confirm({
    title: t("alarms.acknowledgeTitle", { count }),
    text: t("alarms.acknowledgeText"),
    verb: t("alarms.acknowledge"),
  })
}

/** Does it and says so; a shelving can be taken back. `changed` is called each time when something is another. */
export async function act(
  verb: AlarmVerb,
  selection: Selection,
  more: Record<string, unknown>,
  changed: () => void,
  progress?: (done: number) => void,
): Promise<ManyDone> {
  const many = await actOnMany(verb, selection, more, progress)
  const undo =
    verb === "shelve" && many.done.length > 0
      ? async () => {
          await act("unshelve", { ids: many.done }, {}, changed)
        }
      : undefined
  toastDone(said(verb, many), undo)
  changed()
  return many
}
