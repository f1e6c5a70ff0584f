/** Removes a target, after it was asked. */
import { del, path } from "@/api/client"
import { t } from "@/i18n"
import { confirm } from "@/lib/confirm"
import { toastDone, toastFailed } from "@/lib/toasts"
import type { Target } from "./model"

export async function removeTarget({ id, name }: Pick<Target, "id" | "name">): Promise<boolean> {
  const yes = await confirm({
    title: t("forwarding.removeTitle", { name }),
    text: t("forwarding.removeText"),
    verb: t("common.remove"),
    danger: true,
  })
  if (!yes) return false
  try {
    await del(path`/forward_target/${id}`)
    toastDone(t("forwarding.removed", { name }))
    return true
  } catch (error) {
    toastFailed(error)
    return false
  }
}
