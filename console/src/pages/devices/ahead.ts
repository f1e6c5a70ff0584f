/** Opened by its address, the list reads its first rows while the rest of the page still comes. */
import { consoleInfo } from "@/api/session"
import { keptColumns } from "./columns"
import { beginReading } from "./list"
import { stateOf } from "./views"

const { pathname, search } = window.location
if (consoleInfo.value?.signed_in && pathname === `${import.meta.env.BASE_URL}devices`)
  beginReading(stateOf(search.slice(1)), keptColumns().pinned)
