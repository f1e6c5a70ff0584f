/** The live connection of the project that is open. */
import { session, waitForLogIn } from "@/api/session"
import { goLive, onRefused } from "./connection"

onRefused(() => void waitForLogIn())

/** Subscribes as the project that is open. */
export function connectLive(): void {
  if (session.value) goLive(session.value.project.view_key)
}
