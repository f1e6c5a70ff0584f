/** What goes wrong between the page and the server, and its text in the language of the reader. */
import { t, textOf } from "@/i18n"
import { formatDuration, formatTime } from "@/lib/time"

/** A reason as the server gives it: a stable code with arguments, beside English prose. */
export interface Reason {
  message: string
  code?: string
  args?: Record<string, unknown>
}

/** A field of a request that was refused, by its path: `functions.attributes[0].identifier`. */
export interface FieldError extends Reason {
  field: string
}

/** The server answered, and refused. */
export class ApiError extends Error implements Reason {
  override readonly name = "ApiError"
  constructor(
    readonly errcode: number,
    message: string,
    readonly errors: readonly FieldError[] = [],
    readonly code?: string,
    readonly args?: Record<string, unknown>,
    /** The whole answer, of which a 409 tells the present state. */
    readonly answer?: unknown,
    /** For how many seconds a 429 asks to wait. */
    readonly retryAfter?: number,
  ) {
    super(message)
  }
}

/** No answer came, or none of ours. */
export class Unreachable extends Error {
  override readonly name = "Unreachable"
}

/** Whether an error only says that somebody stopped waiting. */
export function isAbort(error: unknown): boolean {
  return error instanceof DOMException && error.name === "AbortError"
}

/** A reason in the reader's language; without a code that has a text, the server's own words. */
export function reasonText({ code, args = {}, message }: Reason): string {
  if (!code) return message
  // A problem within a reason has a code of its own, whose arguments stand beside it.
  const { problem, problem_code } = args
  const within = typeof problem_code === "string" ? (textOf(`codes.${problem_code}`, args) ?? problem) : problem
  return textOf(`codes.${code}`, within === undefined ? args : { ...args, problem: within }) ?? message
}

export interface Saver {
  by: string
  ts: number
}
/** Who saved the same thing meanwhile and when, as a 409 tells; null: it does not know. */
export function saverOf(error: unknown): Saver | null {
  if (!(error instanceof ApiError) || error.code !== "version_stale") return null
  const { info } = error.answer as { info?: Partial<Saver> }
  return typeof info?.by === "string" && typeof info.ts === "number" ? { by: info.by, ts: info.ts } : null
}
export const savedText = ({ by, ts }: Saver): string => t("state.savedBy", { name: by, time: formatTime(ts) })

/** Any error in one sentence for the reader. */
export function errorText(error: unknown): string {
  if (error instanceof Unreachable) return t("state.unreachable")
  if (error instanceof ApiError) {
    if (error.errcode === 429) return t("state.throttled", { count: error.retryAfter ?? 1 })
    if (error.errcode === 500) return t("state.serverFault")
    const saver = saverOf(error)
    return saver ? savedText(saver) : reasonText(error)
  }
  return t("state.pageFault")
}

/** Why a field was refused. The limits of a length of time, which the API counts in ms, are told as people read them. */
function fieldText({ field, message, code, args }: FieldError): string {
  if (!field.endsWith("_ms") || !args) return reasonText({ message, code, args })
  const told = Object.entries(args).map(([name, value]) => [
    name,
    typeof value === "number" && LIMITS.has(name) ? formatDuration(value) : value,
  ])
  return reasonText({ message, code, args: Object.fromEntries(told) as Record<string, unknown> })
}
const LIMITS = new Set(["minimum", "maximum", "limit"])

/** The refusals of a request by field; those of no field under "". */
export function fieldErrors(error: unknown): Record<string, string> {
  if (!(error instanceof ApiError)) return { "": errorText(error) }
  const texts: Record<string, string> = {}
  for (const one of error.errors) texts[one.field] ??= fieldText(one)
  if (error.errors.length === 0) texts[""] = errorText(error)
  return texts
}
