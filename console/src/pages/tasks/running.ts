/** Runs a task at once, after it was asked. */
import { path, post } from "@/api/client"
import { countOf } from "@/forms/selection"
import { t } from "@/i18n"
import { confirm } from "@/lib/confirm"
import { toastDone, toastFailed } from "@/lib/toasts"
import { formOf, type Task } from "./model"

export async function runNow(task: Task): Promise<boolean> {
  try {
    const count = await countOf(formOf(task).selection)
    const yes = await confirm({
      title: t("tasks.runTitle", { name: task.name }),
      text: t("tasks.runText", { count }),
      verb: t("tasks.runNow"),
    })
    if (!yes) return false
    await post(path`/task/${task.id}/run`)
    toastDone(t("tasks.runBegan", { name: task.name }))
    return true
  } catch (error) {
    toastFailed(error)
    return false
  }
}
