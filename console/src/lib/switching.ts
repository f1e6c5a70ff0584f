/** Switches something on or off, tells it with the way back, and calls `after`, also where it was refused. */
import { put } from "@/api/client"
import { toastDone, toastFailed } from "@/lib/toasts"

export async function switchTo(
  path: string,
  enabled: boolean,
  told: (enabled: boolean) => string,
  after: () => void,
  undo = true,
): Promise<void> {
  try {
    await put(path, { enabled })
    toastDone(told(enabled), undo ? () => switchTo(path, !enabled, told, after, false) : undefined)
  } catch (error) {
    toastFailed(error)
  }
  after()
}
