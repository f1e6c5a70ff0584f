/** The browser's side of the network, under the control of a test. */
import { vi } from "vitest"

export interface Request {
  method: string
  url: URL
  headers: Headers
  body: unknown
  signal: AbortSignal | undefined
}
export type Responder = (
  request: Request,
) => { status?: number; body?: unknown; headers?: HeadersInit } | Promise<never>

/** Answers every fetch by `respond`; returns what was asked so far. */
export function answering(respond: Responder): Request[] {
  const asked: Request[] = []
  vi.stubGlobal("fetch", async (input: string, init: RequestInit = {}) => {
    const request: Request = {
      method: init.method ?? "GET",
      url: new URL(input, "http://console.test"),
      headers: new Headers(init.headers),
      body: typeof init.body === "string" ? JSON.parse(init.body) : undefined,
      signal: init.signal ?? undefined,
    }
    asked.push(request)
    const { status = 200, body, headers } = await respond(request)
    if (request.signal?.aborted) throw new DOMException("aborted", "AbortError")
    return new Response(typeof body === "string" ? body : JSON.stringify(body), { status, headers })
  })
  return asked
}

export const ok = (info: unknown) => ({ body: { result: true, info } })
export const refused = (errcode: number, more: object = {}) => ({
  status: errcode === 401 || errcode === 429 ? errcode : 200,
  body: { result: false, errcode, message: "refused", errors: [], ...more },
})

/** A promise that a test ends. */
export function pending<T>(): { promise: Promise<T>; resolve: (value: T) => void; reject: (error: unknown) => void } {
  let resolve: (value: T) => void = () => {}
  let reject: (error: unknown) => void = () => {}
  const promise = new Promise<T>((yes, no) => {
    resolve = yes
    reject = no
  })
  return { promise, resolve, reject }
}

/** The server's end of a WebSocket. */
export class Socket {
  static readonly OPEN = 1
  static all: Socket[] = []
  static get last(): Socket {
    const socket = Socket.all.at(-1)
    if (!socket) throw new Error("nobody connected")
    return socket
  }
  readyState = 0
  sent: number[][] = []
  answersPings = true
  binaryType = ""
  onopen: (() => void) | null = null
  onmessage: ((event: { data: ArrayBuffer }) => void) | null = null
  onclose: (() => void) | null = null

  constructor(
    readonly url: string,
    readonly protocol: string,
  ) {
    Socket.all.push(this)
  }

  send(bytes: Uint8Array): void {
    this.sent.push([...bytes])
    if (this.answersPings && bytes[0] === 0xc0) this.receive(0xd0, 0)
  }

  close(): void {
    if (this.readyState === 3) return
    this.readyState = 3
    this.onclose?.()
  }

  open(): void {
    this.readyState = 1
    this.onopen?.()
  }

  receive(...bytes: number[]): void {
    this.onmessage?.({ data: new Uint8Array(bytes).buffer })
  }

  /** Accepts the connection. */
  admit(): void {
    this.open()
    this.receive(0x20, 2, 0, 0)
  }

  /** Acknowledges the last SUBSCRIBE. */
  follow(): void {
    const [, , high = 0, low = 0] = this.sent.findLast((one) => (one[0] ?? 0) >> 4 === 8) ?? []
    this.receive(0x90, 3, high, low, 0)
  }

  publish(topic: string, text: string): void {
    const name = new TextEncoder().encode(topic)
    const payload = new TextEncoder().encode(text)
    this.receive(0x30, 2 + name.length + payload.length, 0, name.length, ...name, ...payload)
  }

  /** The filters of the packets of one type (8: subscribe, 10: unsubscribe), in order. */
  filters(type: 8 | 10): string[] {
    const found: string[] = []
    for (const packet of this.sent.filter((one) => (one[0] ?? 0) >> 4 === type))
      for (let at = 4; at < packet.length;) {
        const length = ((packet[at] ?? 0) << 8) | (packet[at + 1] ?? 0)
        found.push(new TextDecoder().decode(new Uint8Array(packet.slice(at + 2, at + 2 + length))))
        at += 2 + length + (type === 8 ? 1 : 0)
      }
    return found
  }
}
