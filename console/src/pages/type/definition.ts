/** The draft of a definition, and how it is saved while others may save theirs. */
import { computed, shallowRef, watch } from "vue"
import { get, path, put } from "@/api/client"
import { fieldErrors, reasonText, saverOf, type Saver } from "@/api/errors"
import { useAction } from "@/lib/action"
import { useDraft } from "@/lib/draft"
import { isStale } from "@/lib/versioned"
import { difference, merge, withEntry, type Conflict } from "./changes"
import { checkFunctions } from "./check"
import { same, type Functions, type Kind, type TypeDetail } from "./model"

export type Definition = ReturnType<typeof useDefinition>

export function useDefinition(type: () => TypeDetail, saved: () => void) {
  const { id } = type()
  const draft = useDraft<Functions>(`type/${id}/functions`, type().functions)
  /** The type as it was when the draft began. */
  const base = shallowRef(type())
  /** The type as somebody else saved it meanwhile. */
  const theirs = shallowRef<TypeDetail | null>(null)
  const saver = shallowRef<Saver | null>(null)
  const read = () => get<TypeDetail>(path`/device_type/${id}`)
  watch(type, (now) => {
    const apart = same(now.functions, base.value.functions)
    if (!draft.dirty.value || apart) {
      base.value = now
      if (!draft.dirty.value) draft.reset(now.functions)
    } else theirs.value = now
  })

  if (draft.outdated) {
    // What was typed before a reload, on a state that is gone.
    theirs.value = base.value
    base.value = { ...base.value, functions: draft.outdated.base }
    draft.reset(draft.outdated.base)
    draft.value.value = draft.outdated.value
    draft.restored.value = true
  }

  const functions = computed({
    get: () => draft.value.value,
    set: (next) => (draft.value.value = next),
  })
  const problems = computed(() => checkFunctions(functions.value))
  const changes = computed(() => difference(base.value.functions, functions.value))

  async function write(version: number | undefined): Promise<boolean> {
    try {
      await put(path`/device_type/${id}/functions`, {
        functions: functions.value,
        ...(version !== undefined && { version }),
      })
      return true
    } catch (error) {
      saver.value = saverOf(error)
      if (isStale(error)) return false
      throw error
    }
  }
  const save = useAction(async () => {
    if (!(await write(base.value.version))) {
      const now = await read()
      // Of something else than the definition, such as a tag: that is no conflict.
      const apart = same(now.functions, base.value.functions)
      if (apart) base.value = now
      if (!apart || !(await write(now.version))) {
        theirs.value = apart ? await read() : now
        return
      }
    }
    base.value = await read()
    theirs.value = null
    draft.reset(base.value.functions)
    saved()
  })

  /** What comes of mine and theirs, where somebody else saved. */
  const merged = computed(() =>
    theirs.value ? merge(base.value.functions, functions.value, theirs.value.functions) : null,
  )
  /** Takes their changes into the draft; of the entries that both changed those in `chosen` as they are theirs. */
  function takeOver(chosen: readonly Conflict[]): void {
    if (!merged.value || !theirs.value) return
    let next = merged.value.functions
    for (const { kind, identifier, theirs: entry } of chosen) next = withEntry(next, kind, identifier, entry)
    base.value = theirs.value
    theirs.value = null
    draft.reset(base.value.functions)
    draft.value.value = next
  }
  function discard(): void {
    base.value = theirs.value ?? base.value
    theirs.value = null
    draft.reset(base.value.functions)
    save.clear()
  }

  /** Texts of problems by kind, index and path within the entry; the server's own, too. */
  const errors = computed(() => {
    const found = problems.value.map((problem) => [problem.field, reasonText(problem)] as const)
    const texts = new Map([...Object.entries(save.failure.value ? fieldErrors(save.failure.value) : {}), ...found])
    const byEntry = new Map<string, Record<string, string>>()
    for (const [field, text] of texts) {
      const match = /^functions\.(\w+)\[(\d+)\]\.?(.*)$/.exec(field)
      const entry = match ? `${match[1]}[${match[2]}]` : ""
      byEntry.set(entry, { ...byEntry.get(entry), [match ? (match[3] ?? "") : field]: text })
    }
    return byEntry
  })
  const errorsOf = (kind: Kind, index: number): Record<string, string> => errors.value.get(`${kind}[${index}]`) ?? {}
  return { draft, base, theirs, saver, functions, problems, changes, save, merged, takeOver, discard, errors, errorsOf }
}
