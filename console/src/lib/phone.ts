/** Whether the page is as narrow as a phone: the same bound as in the styles. */
import { shallowRef, type ShallowRef } from "vue"

const query = window.matchMedia("(width <= 760px)")
const phone = shallowRef(query.matches)
query.addEventListener("change", () => (phone.value = query.matches))

export function usePhone(): Readonly<ShallowRef<boolean>> {
  return phone
}
