/** Removes an alarm rule, after it was asked. */
import { path } from "@/api/client"
import { t } from "@/i18n"
import { removeAsked } from "@/lib/removing"

export const removeRule = ({ id, name }: { id: string; name: string }): Promise<boolean> =>
  removeAsked(path`/alarm_rule/${id}`, {
    title: t("rules.removeTitle", { name }),
    text: t("rules.removeText"),
    done: t("rules.removed", { name }),
  })
