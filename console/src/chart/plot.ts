/** Options and data of uPlot for curves. */
import uPlot from "uplot"
import { formatNumber } from "@/lib/format"
import { token } from "@/lib/theme"
import { DAY, HOUR, MINUTE, SECOND, formatTime, zonedDate, type TimeFormat } from "@/lib/time"
import { withGaps, type Curve } from "./curves"

const DASHES: Record<number, number[] | undefined> = { 4: [6, 3], 5: [2, 2], 6: [8, 3, 2, 3] }

/** The rows of uPlot: instants, then value (and min, max) of each curve. */
export function plotData(curves: readonly Curve[]): uPlot.AlignedData {
  if (curves.length === 0) return [[]]
  const tables = curves.map(withGaps).map((curve) => {
    const rows = [[...curve.ts], [...curve.value]]
    if (curve.min && curve.max) rows.push([...curve.min], [...curve.max])
    return rows as unknown as uPlot.AlignedData
  })
  return tables.length === 1 && tables[0]
    ? tables[0]
    : // A gap reaches over the instants that only the other curves have (2: NULL_EXPAND).
      uPlot.join(
        tables,
        tables.map((table) => table.map(() => 2)),
      )
}

/** What makes another chart necessary, rather than other data. */
export function shapeOf(curves: readonly Curve[]): string {
  return JSON.stringify(
    curves.map(({ key, label, unit, colour, kind, min }) => [key, label, unit, colour, kind, !!min]),
  )
}

function tickForm(step: number): TimeFormat {
  if (step < SECOND) return "millis"
  if (step < MINUTE) return "seconds"
  if (step < DAY) return "clock"
  if (step < 28 * DAY) return "day"
  return step < 360 * DAY ? "month" : "year"
}

/** Ticks of time; where the day changes, the day stands below the clock. */
function timeTicks(splits: readonly number[], step: number): string[] {
  const form = tickForm(step)
  let day = ""
  return splits.map((at) => {
    if (step >= DAY) return formatTime(at, form)
    const now = formatTime(at, "day")
    const text = formatTime(at, form)
    const changed = now !== day && (day !== "" || step >= HOUR)
    day = now
    return changed ? `${text}\n${now}` : text
  })
}

const scaleOf = (curve: Curve) => `y:${curve.unit ?? ""}`

function axes(curves: readonly Curve[]): uPlot.Axis[] {
  const grid = { stroke: () => token("border"), width: 1 }
  const font = `12px ${token("font")}`
  const common = { stroke: () => token("text-2"), font, ticks: { show: false } }
  const x: uPlot.Axis = {
    ...common,
    grid,
    space: 76,
    size: 40,
    values: (_plot, splits, _axis, _space, step) => timeTicks(splits, step),
  }
  const scales = [...new Set(curves.map(scaleOf))].slice(0, 2)
  return [
    x,
    ...scales.map((scale, index): uPlot.Axis => {
      const unit = scale.slice(2)
      return {
        ...common,
        scale,
        side: index === 0 ? 3 : 1,
        grid: index === 0 ? grid : { show: false },
        size: (plot, values) => axisSize(plot, values),
        values: (_plot, splits) => splits.map((value) => `${formatNumber(value)}${unit && ` ${unit}`}`),
      }
    }),
  ]
}

function axisSize(plot: uPlot, values: string[] | null): number {
  const longest = (values ?? []).reduce((most, value) => (value.length > most.length ? value : most), "")
  plot.ctx.font = `${12 * devicePixelRatio}px ${token("font")}`
  return Math.max(36, Math.ceil(plot.ctx.measureText(longest).width / devicePixelRatio) + 16)
}

function series(curve: Curve): uPlot.Series[] {
  const stroke = () => token(`series-${curve.colour}`)
  const paths = curve.kind === "steps" ? uPlot.paths.stepped?.({ align: 1 }) : uPlot.paths.linear?.()
  const points: uPlot.Series.Points = { size: 5, width: 1 }
  const value: uPlot.Series = {
    scale: scaleOf(curve),
    label: curve.label,
    stroke,
    width: 1.5,
    dash: DASHES[curve.colour],
    paths,
    points,
  }
  if (!curve.min) return [value]
  const edge: uPlot.Series = { scale: scaleOf(curve), width: 0, stroke: "transparent", points: { show: false } }
  return [value, edge, edge]
}

function bands(curves: readonly Curve[]): uPlot.Band[] {
  let place = 1
  const found: uPlot.Band[] = []
  for (const curve of curves) {
    const fill = () => `color-mix(in srgb, ${token(`series-${curve.colour}`)} 22%, transparent)`
    if (curve.min) found.push({ series: [place + 2, place + 1], fill })
    place += curve.min ? 3 : 1
  }
  return found
}

/** A horizontal line at a value, such as the limit of an alarm rule. */
export interface Limit {
  value: number
  label: string
  unit?: string
  kind: "raise" | "clear"
}
/** A stretch of time with a shade behind the curves, such as an open alarm. */
export interface Span {
  from: number
  to: number
  level: number
}
export interface Overlay {
  limits: readonly Limit[]
  spans: readonly Span[]
}

function drawSpans(plot: uPlot, spans: readonly Span[]): void {
  const { ctx, bbox } = plot
  ctx.save()
  for (const { from, to, level } of spans) {
    const left = Math.max(bbox.left, plot.valToPos(from, "x", true))
    const right = Math.min(bbox.left + bbox.width, plot.valToPos(to, "x", true))
    if (right < bbox.left || left > bbox.left + bbox.width) continue
    ctx.fillStyle = `color-mix(in srgb, ${token(`level-${level}-line`)} 38%, transparent)`
    ctx.fillRect(left, bbox.top, Math.max(2, right - left), bbox.height)
  }
  ctx.restore()
}

const LABEL_HEIGHT = 16
function drawLimits(plot: uPlot, limits: readonly Limit[]): void {
  const { ctx, bbox } = plot
  ctx.save()
  ctx.font = `${12 * devicePixelRatio}px ${token("font")}`
  ctx.textAlign = "right"
  ctx.lineWidth = 1.5 * devicePixelRatio
  const placed: { y: number; left: number }[] = []
  for (const limit of limits) {
    const scale = `y:${limit.unit ?? ""}`
    if (!plot.scales[scale]) continue
    const y = plot.valToPos(limit.value, scale, true)
    if (y < bbox.top || y > bbox.top + bbox.height) continue
    ctx.strokeStyle = ctx.fillStyle = token(limit.kind === "raise" ? "danger" : "online")
    ctx.setLineDash([6 * devicePixelRatio, 4 * devicePixelRatio])
    ctx.beginPath()
    ctx.moveTo(bbox.left, y)
    ctx.lineTo(bbox.left + bbox.width, y)
    ctx.stroke()
    const above = limit.kind === "raise"
    ctx.textBaseline = above ? "bottom" : "top"
    const top = above ? y - LABEL_HEIGHT * devicePixelRatio : y
    // Beside a label that stands at nearly the same height, not over it.
    const beside = placed.filter((one) => Math.abs(one.y - top) < LABEL_HEIGHT * devicePixelRatio)
    const right = Math.min(bbox.left + bbox.width - 4, ...beside.map((one) => one.left - 12 * devicePixelRatio))
    ctx.fillText(limit.label, right, y + (above ? -3 : 3) * devicePixelRatio)
    placed.push({ y: top, left: right - ctx.measureText(limit.label).width })
  }
  ctx.restore()
}

export interface PlotEvents {
  cursor(index: number | null): void
  zoom(from: number, to: number): void
}

export function plotOptions(
  curves: readonly Curve[],
  range: () => [number, number],
  size: { width: number; height: number },
  events: PlotEvents,
  overlay: () => Overlay,
): uPlot.Options {
  const scales: uPlot.Scales = { x: { time: true, range } }
  for (const curve of curves) {
    const scale = scaleOf(curve)
    scales[scale] = {
      // Limits are seen with the curve, even where it never came near them.
      range: (_plot, low, high) => {
        const limits = overlay().limits.filter((limit) => `y:${limit.unit ?? ""}` === scale)
        const values = [low, high, ...limits.map((limit) => limit.value)].filter((value) => Number.isFinite(value))
        if (values.length === 0) return [0, 1]
        return uPlot.rangeNum(Math.min(...values), Math.max(...values), 0.1, true)
      },
    }
  }
  return {
    ...size,
    ms: 1,
    tzDate: zonedDate,
    legend: { show: false },
    padding: [12, 20, 0, 0], // the last label of the axis stands half beyond it
    scales,
    axes: axes(curves),
    series: [{}, ...curves.flatMap(series)],
    bands: bands(curves),
    cursor: {
      drag: { x: true, y: false, setScale: false },
      points: { size: 7 },
      y: false,
    },
    select: { show: true, left: 0, top: 0, width: 0, height: 0 },
    hooks: {
      drawAxes: [(plot) => drawSpans(plot, overlay().spans)],
      draw: [(plot) => drawLimits(plot, overlay().limits)],
      setCursor: [(plot) => events.cursor(plot.cursor.idx ?? null)],
      setSelect: [
        (plot) => {
          const { left, width } = plot.select
          if (width < 6) return
          events.zoom(plot.posToVal(left, "x"), plot.posToVal(left + width, "x"))
          plot.setSelect({ left: 0, top: 0, width: 0, height: 0 }, false)
        },
      ],
    },
  }
}
