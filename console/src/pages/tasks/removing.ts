/** Removes a task, after it was asked. */
import { path } from "@/api/client"
import { t } from "@/i18n"
import { removeAsked } from "@/lib/removing"

export const removeTask = ({ id, name }: { id: string; name: string }): Promise<boolean> =>
  removeAsked(path`/task/${id}`, {
    title: t("tasks.removeTitle", { name }),
    text: t("tasks.removeText"),
    done: t("tasks.removed", { name }),
  })
