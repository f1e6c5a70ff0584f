/** Asks before what cannot be taken back. `await confirm({…})` tells whether it was said yes to. */
import { shallowRef } from "vue"

export interface Question {
  title: string
  /** What comes of it, in numbers where there are any. */
  text: string
  /** The verb on the button. */
  verb: string
  danger?: boolean
  /** The name that must be typed, of what takes data with it. */
  typed?: string
}

export const asked = shallowRef<(Question & { answer: (yes: boolean) => void }) | null>(null)

export function confirm(question: Question): Promise<boolean> {
  asked.value?.answer(false)
  return new Promise((resolve) => {
    asked.value = {
      ...question,
      answer(yes) {
        asked.value = null
        resolve(yes)
      },
    }
  })
}
