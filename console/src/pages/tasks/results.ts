import type { Word } from "@/i18n"
import type { Result } from "./model"

/** What came of a device, in words. */
export const RESULT_WORDS: Record<Result["result"], Word> = {
  done: "tasks.resultDone",
  empty: "tasks.resultEmpty",
  refused: "tasks.resultRefused",
}
