/** Saved views of the list of devices: named addresses, of one's own or shared. */
import type { LocationQuery, LocationQueryRaw } from "vue-router"
import { queryString, type Query } from "@/api/client"
import { addressOf, keywordOf, readFilters, sortOf, type State } from "./filters"

export interface View {
  id: string
  version: number
  name: string
  query: string
  shared: boolean
  own: boolean
}

/** A state as the query of an address; equal states give equal texts. */
export function queryOf(state: State): string {
  const address = addressOf(state) as Query
  const sorted = Object.fromEntries(Object.entries(address).sort(([one], [other]) => (one < other ? -1 : 1)))
  return queryString(sorted).slice(1)
}

function parsed(query: string): LocationQuery {
  const found: LocationQuery = {}
  for (const [name, value] of new URLSearchParams(query)) {
    const before = found[name]
    found[name] = before === undefined ? value : [...(Array.isArray(before) ? before : [before]), value]
  }
  return found
}

/** The state of a saved query; what this version does not know is left out. */
export function stateOf(query: string): State {
  const found = parsed(query)
  return { filters: readFilters(found), keyword: keywordOf(found), sort: sortOf(found) }
}

export const addressOfView = (view: View): LocationQueryRaw => addressOf(stateOf(view.query))

/** The view that the list shows, if it is one. */
export function shownView(views: readonly View[], state: State): View | undefined {
  const query = queryOf(state)
  if (query === "") return undefined // that is all devices, which have a tab of their own
  return views.find((view) => queryOf(stateOf(view.query)) === query)
}
