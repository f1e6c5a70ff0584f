// Calls of the Project API.
import { ApiError, errorOf, Unreachable } from "./errors.js";

const SAFE_TO_REPEAT = new Set(["GET", "HEAD", "PUT", "DELETE"]);
const FIRST_PAUSE_MS = 250;
const PAGE_RECORDS = 100;
const SERIES_PAGE_RECORDS = 500;
const SPAN_MS = 30 * 24 * 3600 * 1000; // of one read of a series

/**
 * A caller of the Project API. It logs in with its first call, and again when its token has expired.
 *
 * `credentials` are `{ appId, accessKey, secretKey }` of an application, `{ appId, account, password }` of an administrator,
 * or `{ token }`: an AccessToken or a scoped token.
 */
export class ProjectClient {
  #root;
  #credentials;
  #timeoutMs;
  #retries;
  #pauseMaxMs;
  #fetch;
  #token = null; // a promise of the token

  constructor(url, credentials, { timeoutMs = 35_000, retries = 3, pauseMaxMs = 10_000, fetch } = {}) {
    this.#root = `${String(url).replace(/\/+$/, "")}/api/v1`;
    this.#credentials = credentials;
    this.#timeoutMs = timeoutMs;
    this.#retries = retries;
    this.#pauseMaxMs = pauseMaxMs;
    this.#fetch = fetch ?? ((...args) => globalThis.fetch(...args));
  }

  /**
   * Carries out `"GET /device/{device_id}"` and the like, with `{ path, query, body, signal }`. A body of bytes, such as a
   * file, is sent as it is.
   * Resolves to the `info` of the answer. Rejects with ApiError for a refusal, Unreachable where no answer came.
   */
  async call(operation, options = {}) {
    const token = await this.#logIn(null);
    try {
      return await this.#send(operation, options, token);
    } catch (error) {
      if (!(error instanceof ApiError) || error.errcode !== 401 || this.#credentials.token !== undefined) throw error;
      return this.#send(operation, options, await this.#logIn(token));
    }
  }

  /** All items of a list, such as `"GET /devices"`: an async iterator that reads a page when it needs one. */
  async *items(operation, options = {}) {
    let cursor = "start";
    while (cursor) {
      const query = { page_records: PAGE_RECORDS, ...options.query, cursor };
      const page = await this.call(operation, { ...options, query });
      yield* page.items;
      cursor = page.next_cursor;
    }
  }

  /** All points of an attribute from `start` to `end` (ms, inclusive), newest first, over a range of any length. */
  async *points(deviceId, identifier, { start, end, signal }) {
    const path = { device_id: deviceId, identifier };
    for (let last = Math.floor(end), number = 1; last >= start; ) {
      const first = Math.max(Math.floor(start), last - SPAN_MS);
      const query = { start_time: first, end_time: last, page: number, page_records: SERIES_PAGE_RECORDS };
      const page = await this.call("GET /device/{device_id}/attribute/{identifier}/series", { path, query, signal });
      const oldest = page.at(-1)?.ts;
      const later = page.filter((point) => point.ts > oldest);
      if (page.length < SERIES_PAGE_RECORDS) {
        yield* page;
        [last, number] = [first - 1, 1];
      } else if (later.length > 0) {
        yield* later; // more points of the last instant may follow: the next read begins with all of them
        [last, number] = [oldest, 1];
      } else {
        yield* page;
        number += 1;
      }
    }
  }

  async #logIn(ended) {
    const { token, appId, accessKey, secretKey, account, password } = this.#credentials;
    if (token !== undefined) return token;
    if (this.#token === null || (ended !== null && (await this.#token) === ended)) {
      const [operation, body] =
        account === undefined
          ? ["POST /access_token", { app_id: appId, access_key: accessKey, secret_key: secretKey }]
          : ["POST /admin_login", { app_id: appId, account, password }];
      const pending = this.#send(operation, { body }, null).then((info) => info.access_token);
      this.#token = pending;
      pending.catch(() => {
        if (this.#token === pending) this.#token = null;
      });
    }
    return this.#token;
  }

  async #send(operation, { path = {}, query = {}, body, signal }, token) {
    const [method, template] = operation.split(" ");
    const filled = template.replace(/\{(\w+)\}/g, (_, name) => segment(path[name]));
    for (let attempt = 1; ; attempt += 1) {
      const { response, answer } = await this.#exchange(method, `${filled}${queryString(query)}`, body, signal, token);
      if (response.ok && answer?.result === true) return answer.info;
      const pause = this.#pause(method, response, answer, attempt);
      const asked = Number(response.headers.get("Retry-After") ?? NaN);
      if (pause === null) throw errorOf(response.status, answer, Number.isFinite(asked) ? asked : undefined);
      await sleep(pause, signal);
    }
  }

  async #exchange(method, target, body, signal, token) {
    const timeout = AbortSignal.timeout(this.#timeoutMs);
    const headers = { Accept: "application/json" };
    if (token !== null) headers.Authorization = `Bearer ${token}`;
    if (body !== undefined) headers["Content-Type"] = isBytes(body) ? "application/octet-stream" : "application/json";
    try {
      const response = await this.#fetch(this.#root + target, {
        method,
        headers,
        body: body === undefined || isBytes(body) ? body : JSON.stringify(body),
        signal: signal ? AbortSignal.any([signal, timeout]) : timeout,
        credentials: "omit",
        cache: "no-store",
      });
      const text = await response.text();
      return { response, answer: parsed(text) };
    } catch (error) {
      if (signal?.aborted) throw error;
      throw new Unreachable(`${method} ${target}: ${error.message}`, { cause: error });
    }
  }

  // How long to wait (ms) before a refused request is sent again; null: it is not. 429 is answered before the server acts;
  // of a 503 that is so if the server itself says it, by the errcode in the body.
  #pause(method, { status, headers }, answer, attempt) {
    if ((status !== 429 && status !== 503) || attempt > this.#retries) return null;
    if (status === 503 && !SAFE_TO_REPEAT.has(method) && answer?.errcode !== 503) return null;
    const asked = Number(headers.get("Retry-After") ?? 0) * 1000;
    if (asked > this.#pauseMaxMs) return null;
    const more = FIRST_PAUSE_MS * 2 ** Math.min(attempt - 1, 10) * (0.5 + Math.random() / 2);
    return Math.min((Number.isFinite(asked) ? asked : 0) + more, this.#pauseMaxMs);
  }
}

function isBytes(body) {
  return body instanceof Blob || body instanceof ArrayBuffer || ArrayBuffer.isView(body);
}

function segment(value) {
  if (value === undefined || value === null || value === "") throw new TypeError("a part of the path is missing");
  const text = encodeURIComponent(String(value));
  return text === "." || text === ".." ? text.replaceAll(".", "%2E") : text;
}

/** Nulls and undefined are left out; lists repeat the name; booleans are 1 and 0. */
function queryString(query) {
  const pairs = new URLSearchParams();
  for (const [name, value] of Object.entries(query)) {
    if (value === null || value === undefined) continue;
    for (const one of Array.isArray(value) ? value : [value]) {
      pairs.append(name, typeof one === "boolean" ? (one ? "1" : "0") : String(one));
    }
  }
  const text = pairs.toString();
  return text && `?${text}`;
}

function parsed(text) {
  try {
    const answer = JSON.parse(text);
    return answer !== null && typeof answer === "object" ? answer : null;
  } catch {
    return null;
  }
}

function sleep(ms, signal) {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(resolve, ms);
    signal?.addEventListener("abort", () => {
      clearTimeout(timer);
      reject(signal.reason);
    });
  });
}
