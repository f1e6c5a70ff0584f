/** Changes of many devices that go on by themselves: watched until they end, also when their page was left. */
import { computed, shallowRef } from "vue"
import { get, path, post } from "@/api/client"
import { isAbort } from "@/api/errors"
import type { Action, BulkItem } from "@/bulk/calls"

export interface Job {
  id: string
  action: Action
  what: Record<string, unknown>
  state: "queued" | "running" | "done" | "cancelled" | "failed"
  total: number
  done: number
  unchanged: number
  refused: number
  by: { kind: string; id: string; name: string }
  create_time: number
  end_time: number
  items?: BulkItem[]
}

const PAUSE = 1000
/** The jobs of the project, the newest first. */
export const jobs = shallowRef<readonly Job[]>([])
export const openJobs = computed(() => jobs.value.filter((job) => job.end_time === 0))
/** Those that ended while somebody watched, until they were looked at. */
export const fresh = shallowRef<ReadonlySet<string>>(new Set())
/** The job whose dialog is open. */
export const shownJob = shallowRef<string | null>(null)

let timer: ReturnType<typeof setTimeout> | undefined
let reading = false

/** Reads the jobs, and again until none is open. */
export async function watchJobs(): Promise<void> {
  if (reading) return
  clearTimeout(timer)
  reading = true
  try {
    const { items } = await get<{ items: Job[] }>("/jobs", { page_records: 20 })
    const open = new Set(openJobs.value.map(({ id }) => id))
    const ended = items.filter((job) => open.has(job.id) && job.end_time > 0).map(({ id }) => id)
    if (ended.length > 0) fresh.value = new Set([...fresh.value, ...ended])
    jobs.value = items
  } catch (error) {
    if (isAbort(error)) return
  } finally {
    reading = false
    if (openJobs.value.length > 0) timer = setTimeout(() => void watchJobs(), document.hidden ? 10 * PAUSE : PAUSE)
  }
}

/** Forgets all, as somebody else may log in. */
export function dropJobs(): void {
  clearTimeout(timer)
  jobs.value = []
  fresh.value = new Set()
  shownJob.value = null
}

export const share = (job: Job): number =>
  job.total ? (job.done + job.unchanged + job.refused) / job.total : job.end_time ? 1 : 0
export const readJob = (id: string, signal?: AbortSignal): Promise<Job> => get<Job>(path`/job/${id}`, {}, signal)
export const cancelJob = (id: string): Promise<Job> => post<Job>(path`/job/${id}/cancel`)
