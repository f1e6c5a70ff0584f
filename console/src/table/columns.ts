/** A column of a table. */
export interface Column {
  key: string
  label: string
  /** A track of CSS grid: `minmax(10rem, 2fr)`. */
  width: string
  align?: "start" | "end"
  /** The name by which the server sorts. */
  sort?: string
  /** Whether the label is for screen readers alone, as over boxes to select. */
  hiddenLabel?: boolean
  /** Whether it can be dragged to another place. */
  movable?: boolean
  /** Whether its edge can be dragged. */
  sizable?: boolean
}
