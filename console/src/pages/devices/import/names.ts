/** Types, groups, customers and gateways that a table names: by id, name, or what else tells them apart. */
import { get } from "@/api/client"
import { t } from "@/i18n"
import { findCustomers, findGateways, findTypes, type Search } from "@/lib/choices"
import { flatGroups, type GroupNode } from "@/lib/groups"
import { NAMED, namesIn, type Found, type Named, type Names, type Texts } from "./fields"

const AT_ONCE = 4
const SEARCHES: Record<Exclude<Named, "groups">, Search> = {
  type: findTypes,
  customer: findCustomers,
  gateway: findGateways,
}

export const noNames = (): Names => ({ type: new Map(), groups: new Map(), customer: new Map(), gateway: new Map() })

/** Every name of a kind that the rows have. */
export function namesOf(rows: readonly Texts[], kind: Named): string[] {
  const found = new Set<string>()
  for (const texts of rows) {
    const text = texts[kind]
    if (text === undefined) continue
    for (const name of kind === "groups" ? namesIn(text) : [text]) found.add(name)
  }
  return [...found]
}

function chosen(name: string, ids: readonly string[]): Found {
  const [id] = ids
  if (id === undefined) return { problem: t("imports.unknown", { name }) }
  return ids.length > 1 ? { problem: t("imports.ambiguous", { name }) } : { id }
}

async function findOne(kind: Exclude<Named, "groups">, name: string, signal: AbortSignal): Promise<Found> {
  const { items } = await SEARCHES[kind](name, signal)
  const byId = items.filter(({ id }) => id === name)
  const exact = byId.length > 0 ? byId : items.filter(({ label, hint }) => label === name || hint === name)
  return chosen(
    name,
    exact.map(({ id }) => id),
  )
}

async function findGroups(names: readonly string[], signal: AbortSignal): Promise<Map<string, Found>> {
  const { items } = await get<{ items: GroupNode[] }>("/device_groups_tree", {}, signal)
  const all = flatGroups(items)
  return new Map(
    names.map((name) => {
      const byPath = all.filter(({ id, label }) => id === name || label === name)
      const same = byPath.length > 0 ? byPath : all.filter(({ label }) => label.split(" / ").at(-1) === name)
      return [
        name,
        chosen(
          name,
          same.map(({ id }) => id),
        ),
      ]
    }),
  )
}

/** Looks up whatever the rows name. `seen` is called with the number of names that are done. */
export async function lookUp(
  rows: readonly Texts[],
  signal: AbortSignal,
  seen: (done: number) => void,
): Promise<Names> {
  const names = { type: new Map(), groups: new Map(), customer: new Map(), gateway: new Map() } as Record<
    Named,
    Map<string, Found>
  >
  let done = 0
  for (const kind of NAMED) {
    const waiting = namesOf(rows, kind)
    if (waiting.length === 0) continue
    if (kind === "groups") {
      names.groups = await findGroups(waiting, signal)
      continue
    }
    for (let from = 0; from < waiting.length; from += AT_ONCE) {
      const part = waiting.slice(from, from + AT_ONCE)
      const found = await Promise.all(part.map((name) => findOne(kind, name, signal)))
      part.forEach((name, index) => names[kind].set(name, found[index] as Found))
      done += part.length
      seen(done)
    }
  }
  return names
}
