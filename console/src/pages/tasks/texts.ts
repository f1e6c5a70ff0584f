/** Tasks in words. */
import { t, type Word } from "@/i18n"
import { formatDuration, formatTime } from "@/lib/time"
import type { Run, Schedule, Task } from "./model"

/** Before it, at it, after it. */
const SUN_WORDS: Record<"sunrise" | "sunset", readonly [Word, Word, Word]> = {
  sunrise: ["tasks.sunriseBefore", "tasks.sunrise", "tasks.sunriseAfter"],
  sunset: ["tasks.sunsetBefore", "tasks.sunset", "tasks.sunsetAfter"],
}
/** When a task runs, in a line. */
export function scheduleText(schedule: Schedule): string {
  const { at, cron, every_ms, sun, offset_ms = 0, timezone } = schedule
  if (at !== undefined) return t("tasks.onceAt", { time: formatTime(at) })
  if (every_ms !== undefined) return t("tasks.everyText", { time: formatDuration(every_ms) })
  if (sun !== undefined) {
    const words = SUN_WORDS[sun]
    return t(words[Math.sign(offset_ms) + 1] ?? words[1], { time: formatDuration(Math.abs(offset_ms)) })
  }
  return timezone ? `${cron ?? ""} (${timezone})` : (cron ?? "")
}
const RUN_WORDS: Record<Run["state"], Word> = {
  running: "tasks.running",
  done: "tasks.done",
  cancelled: "tasks.cancelled",
  failed: "tasks.failed",
  left_out: "tasks.leftOut",
  missed: "tasks.missedRun",
}
export const runText = (run: Run): string => {
  const word = t(RUN_WORDS[run.state])
  return run.instants > 1 ? t("tasks.instants", { state: word, count: run.instants }) : word
}
export const STATE_WORDS: Record<Task["state"], Word> = {
  scheduled: "tasks.scheduled",
  off: "tasks.off",
  ended: "tasks.ended",
  no_instant: "tasks.noInstant",
}
