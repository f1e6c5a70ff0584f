/**
 * Some members of a thing as a form. Where somebody else was faster, their changes and those of the draft are put together;
 * only of a field that both changed theirs is shown, and the draft stays.
 */
import { computed, shallowRef, watch, type ComputedRef, type ShallowRef } from "vue"
import { ApiError, saverOf, type Saver } from "@/api/errors"
import { useAction, type Action } from "@/lib/action"
import { useDraft, type Draft } from "@/lib/draft"
import { same, together } from "@/lib/together"

/** How often somebody else may be faster before it is left to the reader to try again. */
const ATTEMPTS = 3

/** Whether a refusal says that somebody else saved meanwhile. */
export const isStale = (error: unknown): boolean => error instanceof ApiError && error.code === "version_stale"

/** The changes of a form, with the version of what they are changes of. */
export type Changes<M> = Partial<M> & { version?: number }

/** What a form holds now, whatever is typed into it later. */
const copyOf = <M>(form: M): M => JSON.parse(JSON.stringify(form)) as M

export interface Versioned<M> {
  readonly draft: Draft<M>
  /** The thing as it is on the server, where somebody else changed a field that is changed here, too. */
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
  /** Whether what is typed may be kept over a reload: not if it has a secret. */
  storable?: (form: M) => boolean
  /** Called when it is saved, or when what is on the server is taken. */
  done: (saved: boolean) => void
}): Versioned<M> {
  const { fields, item, read } = options
  const membersOf = (of: M): M => Object.fromEntries(fields.map((field) => [field, of[field]])) as M
  const draft = useDraft<M>(options.key, membersOf(item()), options.storable)
  /** The thing as it was when the draft began. */
  const base = shallowRef<T>(item())
  const theirs = shallowRef<T | null>(null)
  const saver = shallowRef<Saver | null>(null)
  /** Puts what somebody else saved since `known` together with the draft; whether no field is left that both changed. */
  function takeIn(known: T, now: T): boolean {
    const { value, clashes } = together<M>(fields, known, now, draft.value.value)
    base.value = clashes.length > 0 ? known : now
    draft.reset(membersOf(base.value)) // after a reload, too, what clashes is shown again
    draft.value.value = value
    theirs.value = clashes.length > 0 ? now : null
    return clashes.length === 0
  }
  if (draft.outdated) {
    // What was typed before a reload, on a state that is gone.
    draft.value.value = draft.outdated.value
    takeIn({ ...base.value, ...draft.outdated.base }, base.value)
    draft.restored.value = true
  }
  const differing = (one: M, other: M) => fields.filter((field) => !same(one[field], other[field]))
  watch(item, (now) => {
    if (draft.dirty.value) return
    base.value = now
    if (differing(draft.value.value, now).length > 0) draft.reset(membersOf(now))
  })
  const differences = computed(() => {
    const now: M | null = theirs.value
    const mine = draft.value.value
    if (!now) return []
    const { clashes } = together<M>(fields, base.value, now, mine)
    return clashes.map((field) => ({ field, theirs: now[field], mine: mine[field] }))
  })

  /** Writes what differs; returns the refusal where somebody else changed it since `known`. */
  async function write(known: T): Promise<unknown> {
    const changed = differing(draft.value.value, known)
    const members = Object.fromEntries(changed.map((field) => [field, draft.value.value[field]])) as Partial<M>
    try {
      if (changed.length > 0)
        await options.send({ ...members, ...(known.version !== undefined && { version: known.version }) })
      return null
    } catch (error) {
      if (!isStale(error)) throw error
      saver.value = saverOf(error)
      return error
    }
  }

  const save = useAction(async () => {
    let known = theirs.value ?? base.value
    let sent = copyOf(draft.value.value)
    let stale = await write(known)
    for (let again = 0; stale !== null && again < ATTEMPTS; again += 1) {
      const now = await read()
      if (!takeIn(known, now)) return
      known = now
      sent = copyOf(draft.value.value)
      stale = await write(now)
    }
    if (stale !== null) throw stale
    theirs.value = null
    base.value = await read()
    const typed = together<M>(fields, sent, base.value, draft.value.value).value // since it was sent
    draft.reset(membersOf(base.value))
    draft.value.value = typed
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
