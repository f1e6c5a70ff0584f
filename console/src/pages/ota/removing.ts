/** Removes a version, after it was asked. */
import { path } from "@/api/client"
import { t } from "@/i18n"
import { removeAsked } from "@/lib/removing"

export const removeVersion = ({ id, name }: { id: string; name: string }): Promise<boolean> =>
  removeAsked(path`/ota_version/${id}`, {
    title: t("ota.removeTitle", { name }),
    text: t("ota.removeText"),
    done: t("ota.removed", { name }),
  })
