/** The secret that the server made for a target when it was saved: shown once, and kept nowhere. */
import { shallowRef } from "vue"

export const shownSecret = shallowRef("")
