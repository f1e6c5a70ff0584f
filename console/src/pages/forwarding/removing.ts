/** Removes a target, after it was asked. */
import { path } from "@/api/client"
import { t } from "@/i18n"
import { removeAsked } from "@/lib/removing"

export const removeTarget = ({ id, name }: { id: string; name: string }): Promise<boolean> =>
  removeAsked(path`/forward_target/${id}`, {
    title: t("forwarding.removeTitle", { name }),
    text: t("forwarding.removeText"),
    done: t("forwarding.removed", { name }),
  })
