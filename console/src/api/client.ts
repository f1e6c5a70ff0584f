/** Calls of the Project API with the session of the browser. */
import { ApiError, Unreachable, type FieldError } from "./errors"

export type Query = Record<string, string | number | boolean | readonly string[] | null | undefined>

export interface CallOptions {
  query?: Query
  body?: unknown
  signal?: AbortSignal
  /** For how long an answer is waited for (ms). */
  timeout?: number
  /** Whether a 401 is given to the caller rather than answered by a new log-in. */
  bare?: boolean
  /** Whether the answer is a file rather than JSON. */
  file?: boolean
}

export interface Answer {
  result?: boolean
  info?: unknown
  errcode?: number
  message?: string
  errors?: FieldError[]
  code?: string
  args?: Record<string, unknown>
  warnings?: { field: string; message: string }[]
}

/** Called at a 401: resolves when somebody is logged in again, and the call is made anew. */
let logInAgain: (() => Promise<void>) | null = null
export function onSignedOut(handler: () => Promise<void>): void {
  logInAgain = handler
}

/** The query of a path. Nulls and undefined are left out; lists repeat the name; booleans are 1 and 0. */
export function queryString(query: Query): string {
  const pairs = new URLSearchParams()
  for (const [name, value] of Object.entries(query)) {
    if (value === null || value === undefined || value === "") continue
    if (typeof value === "boolean") pairs.append(name, value ? "1" : "0")
    else if (typeof value === "object") for (const one of value) pairs.append(name, one)
    else pairs.append(name, String(value))
  }
  const text = pairs.toString()
  return text && `?${text}`
}

export function refusalOf(answer: Answer, status: number, retryAfter: string | null): ApiError {
  const wait = Number(retryAfter ?? NaN)
  return new ApiError(
    answer.errcode ?? status,
    answer.message ?? String(status),
    answer.errors ?? [],
    answer.code,
    answer.args,
    answer,
    Number.isFinite(wait) ? wait : undefined,
  )
}

async function send(method: string, path: string, options: CallOptions): Promise<Response> {
  const timeout = AbortSignal.timeout(options.timeout ?? 30_000)
  const signal = options.signal ? AbortSignal.any([options.signal, timeout]) : timeout
  const headers: Record<string, string> = { "X-Thingstead": "1" }
  if (options.body !== undefined) headers["Content-Type"] = "application/json"
  try {
    return await fetch(`/api/v1${path}${queryString(options.query ?? {})}`, {
      method,
      headers,
      body: options.body === undefined ? undefined : JSON.stringify(options.body),
      signal,
      credentials: "same-origin",
      cache: "no-store",
    })
  } catch (error) {
    if (options.signal?.aborted) throw error
    throw new Unreachable(String(error))
  }
}

/** The `info` of an endpoint's answer. Throws ApiError for a refusal, Unreachable where no answer came. */
export async function call<T>(method: string, path: string, options: CallOptions = {}): Promise<T> {
  const response = await send(method, path, options)
  if (response.status === 401 && logInAgain && !options.bare) {
    await logInAgain()
    return call(method, path, { ...options, bare: true })
  }
  let answer: Answer
  try {
    const isFile = options.file && !response.headers.get("Content-Type")?.includes("json")
    if (isFile && response.ok) return (await response.blob()) as T
    answer = (await response.json()) as Answer
  } catch (error) {
    if (options.signal?.aborted) throw error
    throw new Unreachable(`${method} ${path}: ${response.status} without JSON`)
  }
  if (!response.ok || answer.result !== true)
    throw refusalOf(answer, response.status, response.headers.get("Retry-After"))
  return answer.info as T
}

export const get = <T>(path: string, query?: Query, signal?: AbortSignal) => call<T>("GET", path, { query, signal })
export const post = <T>(path: string, body: unknown = {}) => call<T>("POST", path, { body })
export const put = <T>(path: string, body: unknown) => call<T>("PUT", path, { body })
export const del = <T>(path: string) => call<T>("DELETE", path)

/** Makes a path of parts that come from data: path`/device/${id}/attributes`. */
export function path(parts: TemplateStringsArray, ...values: readonly (string | number)[]): string {
  return parts.reduce((text, part, index) => text + encodeURIComponent(String(values[index - 1])) + part)
}
