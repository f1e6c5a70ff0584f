/** Rows of a list that stands in the address: what is searched for as `find`, its order as `sort`. */
import { computed, watch, type ComputedRef } from "vue"
import { useRoute, useRouter } from "vue-router"
import { get } from "@/api/client"
import { usePagedRows, type Page, type PagedRows } from "./pagedRows"

export interface SearchedRows<T> {
  rows: PagedRows<T>
  find: ComputedRef<string>
  sort: ComputedRef<string>
  sortBy(sort: string): void
  clear(): void
}

export function useSearchedRows<T>(path: string, first = "create_time"): SearchedRows<T> {
  const route = useRoute()
  const router = useRouter()
  const find = computed(() => (typeof route.query.find === "string" ? route.query.find : ""))
  const sort = computed(() => {
    const { sort: wanted } = route.query
    return typeof wanted === "string" && /^-?(create_time|name)$/.test(wanted) ? wanted : first
  })
  const rows = usePagedRows<T>((page, size, signal) =>
    get<Page<T>>(path, { keyword: find.value, sort: sort.value, page, page_records: size }, signal),
  )
  watch([find, sort], () => rows.reset())
  return {
    rows,
    find,
    sort,
    sortBy: (next) => void router.replace({ query: { ...route.query, sort: next === first ? undefined : next } }),
    clear: () => void router.replace({ query: { ...route.query, find: undefined } }),
  }
}
