/** The live connection of the project that is open. */
import { ApiError } from "@/api/errors"
import { renewSession, session, waitForLogIn } from "@/api/session"
import { goLive, onRefused } from "./connection"

// A connection can be refused for other reasons than the end of the session, such as another project: that is asked.
onRefused(() => {
  renewSession().catch((error) => {
    if (error instanceof ApiError && error.errcode === 401) void waitForLogIn()
  })
})

/** Subscribes as the project that is open. */
export function connectLive(): void {
  if (session.value) goLive(session.value.project.view_key)
}
