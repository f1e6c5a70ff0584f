/** A form that makes something new, or edits what is there: the same to its fields and to `<SaveRow>`. */
import { computed, shallowRef } from "vue"
import { useAction } from "@/lib/action"
import { useDraft } from "@/lib/draft"
import { useVersioned, type Changes, type Versioned } from "@/lib/versioned"

export interface Kept {
  id: string
  version?: number
}

export function useNewOrKnown<M extends object>(options: {
  /** Names the draft, such as `task/t1`. */
  key: string
  /** What is there, of which only `fields` are edited; null: it is new. */
  item: () => (M & Kept) | null
  /** What a new one begins with. */
  begin: M
  fields: readonly (keyof M & string)[]
  read: () => Promise<M & Kept>
  send: (changes: Changes<M>) => Promise<unknown>
  create: (form: M) => Promise<void>
  storable?: (form: M) => boolean
  done: (saved: boolean) => void
}): Versioned<M> {
  const { key, item, begin, fields, read, send, create, storable, done } = options
  const known = item()
  if (known) return useVersioned<M, M & Kept>({ key, item: () => item() ?? known, fields, read, send, storable, done })
  const draft = useDraft<M>(key, begin, storable)
  if (draft.outdated) draft.value.value = { ...begin, ...draft.outdated.value }
  const save = useAction(async () => {
    await create(draft.value.value)
    draft.reset(begin)
  })
  return {
    draft,
    theirs: shallowRef(null),
    saver: shallowRef(null),
    differences: computed(() => []),
    save,
    discard() {
      draft.reset(begin)
      save.clear()
      done(false)
    },
  }
}
