/** The tree of device groups as it is shown: which groups, how deep, and where one may go. */
import type { GroupNode } from "@/lib/groups"

export interface Group extends GroupNode {
  descr: string
  tags: Record<string, string>
  version?: number
  device_count?: number
  device_count_below?: number
  children: Group[]
}
export const DEEPEST = 16

/** A group with where it stands. */
export interface Placed {
  group: Group
  parent: Group | null
  /** From 1. */
  level: number
  /** From 1, among its siblings, of how many. */
  place: number
  siblings: number
}

/** Every group by its id, in the order of the tree. */
export function placed(roots: readonly Group[]): Map<string, Placed> {
  const found = new Map<string, Placed>()
  const walk = (groups: readonly Group[], parent: Group | null, level: number): void => {
    groups.forEach((group, index) => {
      found.set(group.id, { group, parent, level, place: index + 1, siblings: groups.length })
      walk(group.children, group, level + 1)
    })
  }
  walk(roots, null, 1)
  return found
}

/** The groups that are seen: those whose parents are open; with a text those that have it in their name, and all above. */
export function shownGroups(places: ReadonlyMap<string, Placed>, open: ReadonlySet<string>, text: string): Placed[] {
  const wanted = text.trim().toLowerCase()
  const all = [...places.values()]
  if (!wanted) return all.filter((one) => above(places, one.group.id).every(({ id }) => open.has(id)))
  const kept = new Set<string>()
  for (const { group } of all)
    if (group.name.toLowerCase().includes(wanted))
      for (const { id } of [group, ...above(places, group.id)]) kept.add(id)
  return all.filter(({ group }) => kept.has(group.id))
}

/** The groups above a group, the nearest first. */
export function above(places: ReadonlyMap<string, Placed>, id: string): Group[] {
  const found: Group[] = []
  for (let parent = places.get(id)?.parent; parent; parent = places.get(parent.id)?.parent) found.push(parent)
  return found
}

/** A group with all below it. */
export const subtree = (group: Group): Group[] => [group, ...group.children.flatMap(subtree)]
const height = (group: Group): number => 1 + Math.max(0, ...group.children.map(height))

/** Whether a group may go below another one, null: to the root. */
export function mayGo(places: ReadonlyMap<string, Placed>, id: string, to: string | null): boolean {
  const moved = places.get(id)
  if (!moved || (moved.parent?.id ?? null) === to) return false
  if (to === null) return true
  const target = places.get(to)
  if (!target || subtree(moved.group).some((one) => one.id === to)) return false
  return target.level + height(moved.group) <= DEEPEST
}
