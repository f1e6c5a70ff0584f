/** What two definitions differ in, and what comes of the changes of two people. */
import { canonical, KINDS, same, type Entry, type Functions, type Kind } from "./model"

export interface Change {
  kind: Kind
  identifier: string
  before?: Entry
  after?: Entry
}
export interface Difference {
  changes: Change[]
  /** Kinds whose order is another one. */
  moved: Kind[]
}

const byIdentifier = (entries: readonly Entry[]) => new Map(entries.map((entry) => [entry.identifier, entry]))

/** Entries that were added, changed or removed, and whether those that stay stand in another order. */
export function difference(before: Functions, after: Functions): Difference {
  const changes: Change[] = []
  const moved: Kind[] = []
  for (const kind of KINDS) {
    const [old, now] = [byIdentifier(before[kind]), byIdentifier(after[kind])]
    for (const [identifier, entry] of now) {
      const was = old.get(identifier)
      if (!was || !same(was, entry)) changes.push({ kind, identifier, before: was, after: entry })
    }
    for (const [identifier, entry] of old) if (!now.has(identifier)) changes.push({ kind, identifier, before: entry })
    const stays = (entries: readonly Entry[], other: ReadonlyMap<string, Entry>) =>
      entries.filter(({ identifier }) => other.has(identifier)).map(({ identifier }) => identifier)
    if (!same(stays(before[kind], now), stays(after[kind], old))) moved.push(kind)
  }
  return { changes, moved }
}

/** The members of an entry that differ. */
export function members(before: Entry, after: Entry): { member: string; before: unknown; after: unknown }[] {
  const [old, now] = [before as unknown as Record<string, unknown>, after as unknown as Record<string, unknown>]
  return [...new Set([...Object.keys(old), ...Object.keys(now)])]
    .filter((member) => canonical(old[member]) !== canonical(now[member]))
    .map((member) => ({ member, before: old[member], after: now[member] }))
}

export interface Conflict {
  kind: Kind
  identifier: string
  mine?: Entry
  theirs?: Entry
}
export interface Merged {
  functions: Functions
  /** Entries that both changed, each in its own way; in `functions` they stand as mine. */
  conflicts: Conflict[]
}

/** What comes of `base` by my changes and theirs. Nothing that either did is lost but where both changed one entry. */
export function merge(base: Functions, mine: Functions, theirs: Functions): Merged {
  const conflicts: Conflict[] = []
  const functions = {} as Record<Kind, Entry[]>
  for (const kind of KINDS) {
    const [b, m, t] = [byIdentifier(base[kind]), byIdentifier(mine[kind]), byIdentifier(theirs[kind])]
    const taken = new Map<string, Entry>()
    for (const identifier of new Set([...m.keys(), ...t.keys(), ...b.keys()])) {
      const [was, my, their] = [b.get(identifier), m.get(identifier), t.get(identifier)]
      const entry = same(my, was) ? their : my
      if (!same(my, was) && !same(their, was) && !same(my, their))
        conflicts.push({ kind, identifier, ...(my && { mine: my }), ...(their && { theirs: their }) })
      if (entry) taken.set(identifier, entry)
    }
    // The order of whoever moved something; new ones of the other stand behind.
    const iMoved = difference(base, mine).moved.includes(kind)
    const [first, second] = iMoved ? [m, t] : [t, m]
    const order = new Set([...first.keys(), ...second.keys()])
    functions[kind] = [...order].flatMap((identifier) => taken.get(identifier) ?? [])
  }
  return { functions: functions as unknown as Functions, conflicts }
}

/** A definition with an entry as it is wanted; without one it goes. */
export function withEntry(functions: Functions, kind: Kind, identifier: string, entry: Entry | undefined): Functions {
  const entries = functions[kind] as Entry[]
  const at = entries.findIndex((one) => one.identifier === identifier)
  const next = [...entries]
  if (at < 0 && entry) next.push(entry)
  else if (at >= 0) next.splice(at, 1, ...(entry ? [entry] : []))
  return { ...functions, [kind]: next }
}
