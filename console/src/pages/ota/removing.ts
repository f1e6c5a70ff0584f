/** Removes a version, after it was asked. */
import { del, path } from "@/api/client"
import { t } from "@/i18n"
import { confirm } from "@/lib/confirm"
import { toastDone, toastFailed } from "@/lib/toasts"
import type { OtaVersion } from "./model"

export async function removeVersion({ id, name }: Pick<OtaVersion, "id" | "name">): Promise<boolean> {
  const yes = await confirm({
    title: t("ota.removeTitle", { name }),
    text: t("ota.removeText"),
    verb: t("common.remove"),
    danger: true,
  })
  if (!yes) return false
  try {
    await del(path`/ota_version/${id}`)
    toastDone(t("ota.removed", { name }))
    return true
  } catch (error) {
    toastFailed(error)
    return false
  }
}
