/** What a rule would have done on stored history: asked again 150 ms after each change, one call at a time. */
import { computed, onScopeDispose, shallowRef, watch, type ComputedRef, type ShallowRef } from "vue"
import { get, path, post } from "@/api/client"
import type { Limit, Span } from "@/chart/plot"
import { bounds, conditionText, leavesOf } from "@/lib/conditions"
import { useResource, type Resource } from "@/lib/resource"
import { nowMs } from "@/lib/time"
import { readHistory, type History } from "@/pages/device/history"
import type { Attribute } from "@/pages/device/model"
import { drawnAs } from "@/pages/device/values"
import { attributesOf, levelsOf, type RuleForm } from "./model"

interface Item {
  device_id: string
  ts: number
  alarm_status: number
  alarm_level: number
}
export interface DryRun {
  items: Item[]
  raised_total: number
  open_total: number
  open_ms: number
  devices: number
  points: number
  complete: boolean
  notes: string[]
}
export interface Outcome {
  run: DryRun
  from: number
  to: number
  tookMs: number
}

const PAUSE = 150

/** Only what decides, so that a new name asks nothing. */
export function askedOf(form: RuleForm): string | null {
  const ready =
    (form.type || (form.devices?.length ?? 0) > 0) &&
    levelsOf(form).length > 0 &&
    levelsOf(form).every(({ raise, clear }) =>
      [...leavesOf(raise), ...leavesOf(clear)].every(
        (leaf) =>
          leaf.offline_ms !== undefined ||
          leaf.no_data_ms !== undefined ||
          (leaf.attribute && (leaf.value !== null || leaf.op === "change")),
      ),
    )
  if (!ready) return null
  return JSON.stringify({ ...form, name: "dry run", descr: undefined, enabled: undefined, notify: undefined })
}

export interface DryRuns {
  outcome: Readonly<ShallowRef<Outcome | null>>
  error: Readonly<ShallowRef<unknown>>
  busy: Readonly<ShallowRef<boolean>>
  /** Whether there is enough of a rule to try it. */
  ready: ComputedRef<boolean>
}

export function useDryRun(form: () => RuleForm, length: () => number): DryRuns {
  const outcome = shallowRef<Outcome | null>(null)
  const error = shallowRef<unknown>(null)
  const busy = shallowRef(false)
  const asked = computed(() => askedOf(form()))
  let wanted: string | null = null
  let timer: ReturnType<typeof setTimeout> | undefined
  let ended = false

  async function run(): Promise<void> {
    if (busy.value) return
    busy.value = true
    while (wanted !== null && !ended) {
      const mine: string = wanted
      wanted = null
      const to = nowMs()
      const from = to - length()
      const started = performance.now()
      try {
        const rule = JSON.parse(mine) as RuleForm
        const result = await post<DryRun>("/alarm_rule_test", { rule, start_time: from, end_time: to })
        outcome.value = { run: result, from, to, tookMs: performance.now() - started }
        error.value = null
      } catch (failure) {
        error.value = failure
      }
    }
    busy.value = false
  }
  watch(
    () => [asked.value, length()] as const,
    ([now]) => {
      clearTimeout(timer)
      wanted = now
      if (now === null) {
        outcome.value = null
        error.value = null
      } else timer = setTimeout(() => void run(), PAUSE)
    },
    { immediate: true },
  )
  onScopeDispose(() => {
    ended = true
    clearTimeout(timer)
  })
  return { outcome, error, busy, ready: computed(() => asked.value !== null) }
}

/** The stretches in which the alarm of a device would have been open. */
export function spansOf(outcome: Outcome, device: string): Span[] {
  const spans: Span[] = []
  let open: Span | null = null
  for (const item of outcome.run.items.filter((one) => one.device_id === device).sort((a, b) => a.ts - b.ts)) {
    if (open) spans.push({ ...open, to: item.ts })
    open = item.alarm_status === 1 ? { from: item.ts, to: outcome.to, level: item.alarm_level } : null
  }
  if (open) spans.push(open)
  return spans
}

/** How often each device would have raised, the most first. */
export function raisesByDevice(run: DryRun): [string, number][] {
  const counts = new Map<string, number>()
  const open = new Set<string>()
  for (const { device_id, alarm_status } of [...run.items].sort((a, b) => a.ts - b.ts)) {
    if (alarm_status === 1 && !open.has(device_id)) counts.set(device_id, (counts.get(device_id) ?? 0) + 1)
    if (alarm_status === 1) open.add(device_id)
    else open.delete(device_id)
  }
  return [...counts].sort((a, b) => b[1] - a[1])
}

/** The limits of a rule as lines, by the unit of their attribute. */
export function limitsOf(form: RuleForm, unitOf: (identifier: string) => string | undefined): Limit[] {
  const found = new Map<string, Limit>()
  const add = (limit: Limit) => found.set(`${limit.kind} ${limit.value} ${limit.unit ?? ""}`, limit)
  for (const { raise, clear } of levelsOf(form)) {
    for (const leaf of leavesOf(raise))
      for (const value of bounds(leaf)) {
        const unit = unitOf(leaf.attribute ?? "")
        add({ value, label: conditionText(leaf), unit, kind: "raise" })
        if (leaf.deadband) {
          const back = leaf.op?.startsWith(">") ? value - leaf.deadband : value + leaf.deadband
          add({ value: back, label: String(back), unit, kind: "clear" })
        }
      }
    for (const leaf of leavesOf(clear))
      for (const value of bounds(leaf))
        add({ value, label: conditionText(leaf), unit: unitOf(leaf.attribute ?? ""), kind: "clear" })
  }
  return [...found.values()]
}

/** The history of what a rule reads, of one device. */
export function useRuleHistory(
  device: () => string,
  form: () => RuleForm,
  outcome: () => Outcome | null,
): Resource<History | null> {
  const wanted = computed(() => attributesOf(form()).join(","))
  return useResource(
    async (signal) => {
      const { from, to } = outcome() ?? { from: 0, to: 0 }
      const all = await get<Attribute[]>(path`/device/${device()}/attributes`, {}, signal)
      const names = wanted.value.split(",")
      const shown = all.filter((one) => names.includes(one.identifier) && drawnAs(one) === "line").slice(0, 3)
      return shown.length === 0 ? null : readHistory(device(), shown, { from, to }, signal)
    },
    () => {
      const now = outcome()
      return device() && now ? `${device()} ${wanted.value} ${Math.round((now.to - now.from) / 1000)}` : null
    },
  )
}
