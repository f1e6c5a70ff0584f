/** Removes a message rule, after it was asked. */
import { path } from "@/api/client"
import { t } from "@/i18n"
import { removeAsked } from "@/lib/removing"

export const removeMessageRule = ({ id, name }: { id: string; name: string }): Promise<boolean> =>
  removeAsked(path`/message_rule/${id}`, {
    title: t("messageRules.removeTitle", { name }),
    text: t("messageRules.removeText"),
    done: t("messageRules.removed", { name }),
  })
