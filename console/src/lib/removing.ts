/** Removes something after it was asked, and tells it; false: it is still there. */
import { del } from "@/api/client"
import { t } from "@/i18n"
import { confirm } from "@/lib/confirm"
import { toastDone, toastFailed } from "@/lib/toasts"

export async function removeAsked(
  path: string,
  words: { title: string; text: string; done: string },
): Promise<boolean> {
  const { title, text, done } = words
  if (!(await confirm({ title, text, verb: t("common.remove"), danger: true }))) return false
  try {
    await del(path)
    toastDone(done)
    return true
  } catch (error) {
    toastFailed(error)
    return false
  }
}
