/** Some members of a thing as a form. Where somebody else was faster, what they changed is shown, and the draft stays. */
import { computed, shallowRef, watch, type ComputedRef, type ShallowRef } from "vue"
import { ApiError, saverOf, type Saver } from "@/api/errors"
import { useAction, type Action } from "@/lib/action"
import { useDraft, type Draft } from "@/lib/draft"

/** Whether a refusal says that somebody else saved meanwhile. */
export const isStale = (error: unknown): boolean => error instanceof ApiError && error.code === "version_stale"

/** The changes of a form, with the version of what they are changes of. */
export type Changes<M> = Partial<M> & { version?: number }

export interface Versioned<M> {
  readonly draft: Draft<M>
  /** The thing as it is on the server, where somebody else changed it. */
  readonly theirs: Readonly<ShallowRef<unknown>>
  /** Who that was, where it is known. */
  readonly saver: Readonly<ShallowRef<Saver | null>>
  readonly differences: ComputedRef<{ field: keyof M & string; theirs: unknown; mine: unknown }[]>
  readonly save: Action<[]>
  discard(): void
}

export function useVersioned<M extends object, T extends M & { version?: number }>(options: {
  /** Names the draft, such as `device/d1/info`. */
  key: string
  item: () => T
  fields: readonly (keyof M & string)[]
  read: () => Promise<T>
  send: (changes: Changes<M>) => Promise<unknown>
  /** Called when it is saved, or when what is on the server is taken. */
  done: (saved: boolean) => void
}): Versioned<M> {
  const { fields, item, read } = options
  const membersOf = (of: M): M => Object.fromEntries(fields.map((field) => [field, of[field]])) as M
  const draft = useDraft<M>(options.key, membersOf(item()))
  /** The thing as it was when the draft began. */
  const base = shallowRef<T>(item())
  const theirs = shallowRef<T | null>(null)
  const saver = shallowRef<Saver | null>(null)
  if (draft.outdated) {
    // What was typed before a reload, on a state that is gone.
    theirs.value = base.value
    base.value = { ...base.value, ...draft.outdated.base }
    draft.reset(draft.outdated.base)
    draft.value.value = draft.outdated.value
    draft.restored.value = true
  }
  const differing = (one: M, other: M) => fields.filter((field) => one[field] !== other[field])
  watch(item, (now) => {
    if (draft.dirty.value) return
    base.value = now
    if (differing(draft.value.value, now).length > 0) draft.reset(membersOf(now))
  })
  const differences = computed(() => {
    const now: M | null = theirs.value
    const mine = draft.value.value
    return now ? differing(now, mine).map((field) => ({ field, theirs: now[field], mine: mine[field] })) : []
  })

  /** Writes what differs; false where somebody else changed it since `known`. */
  async function write(known: T): Promise<boolean> {
    const changed = differing(draft.value.value, known)
    const members = Object.fromEntries(changed.map((field) => [field, draft.value.value[field]])) as Partial<M>
    try {
      if (changed.length > 0)
        await options.send({ ...members, ...(known.version !== undefined && { version: known.version }) })
      return true
    } catch (error) {
      saver.value = saverOf(error)
      if (isStale(error)) return false
      throw error
    }
  }

  const save = useAction(async () => {
    const known = theirs.value ?? base.value
    if (!(await write(known))) {
      const now = await read()
      // Of something else than what is edited here, such as a tag: that is no conflict.
      const apart = differing(now, known).length === 0
      if (!apart || !(await write(now))) {
        theirs.value = apart ? await read() : now
        return
      }
    }
    theirs.value = null
    base.value = await read()
    draft.reset(membersOf(base.value))
    options.done(true)
  })
  return {
    draft,
    theirs,
    saver,
    differences,
    save,
    discard() {
      base.value = theirs.value ?? item()
      draft.reset(membersOf(base.value))
      theirs.value = null
      save.clear()
      options.done(false)
    },
  }
}
