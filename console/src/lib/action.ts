/** What a button does: it runs once at a time, and its refusals stand at the fields. */
import { ref, shallowRef } from "vue"
import { fieldErrors, isAbort } from "@/api/errors"

export interface Action<A extends unknown[]> {
  readonly busy: { readonly value: boolean }
  /** Texts of refusals by field; those of no field under "". */
  readonly errors: { value: Record<string, string> }
  readonly failure: { readonly value: unknown }
  run(...args: A): Promise<boolean>
  clear(): void
}

/** Wraps a change. `run` tells whether it succeeded; it does nothing while it runs. */
export function useAction<A extends unknown[]>(change: (...args: A) => Promise<void>): Action<A> {
  const busy = ref(false)
  const errors = ref<Record<string, string>>({})
  const failure = shallowRef<unknown>(null)
  return {
    busy,
    errors,
    failure,
    clear() {
      errors.value = {}
      failure.value = null
    },
    async run(...args) {
      if (busy.value) return false
      busy.value = true
      errors.value = {}
      failure.value = null
      try {
        await change(...args)
        return true
      } catch (error) {
        if (isAbort(error)) return false
        failure.value = error
        errors.value = fieldErrors(error)
        return false
      } finally {
        busy.value = false
      }
    },
  }
}
