import type { Operations } from "./api.js";

export * as api from "./api.js";

/** How a {@link ProjectClient} logs in. A page must not contain keys of an application: give it a scoped token. */
export type Credentials =
  | { appId: string; accessKey: string; secretKey: string }
  | { appId: string; account: string; password: string }
  | { token: string };

export interface ClientOptions {
  /** For how long an answer is waited for. */
  timeoutMs?: number;
  /** How often a request is sent again that the server refuses for now (429, 503). */
  retries?: number;
  /** The longest pause before that; if the server asks for a longer one, the refusal is thrown at once. */
  pauseMaxMs?: number;
  fetch?: typeof globalThis.fetch;
}

type Given<K extends keyof Operations> = Pick<
  Operations[K],
  { [P in "path" | "query" | "body"]: Operations[K][P] extends never ? never : P }["path" | "query" | "body"]
> & { signal?: AbortSignal };

type Arguments<K extends keyof Operations> = object extends Given<K> ? [options?: Given<K>] : [options: Given<K>];

/** The members that an operation answers as a list, by their names. */
type Lists = { [K in keyof Operations]: Operations[K]["info"] extends { items: unknown[] } ? K : never }[keyof Operations];
type ItemOf<K extends keyof Operations> = Operations[K]["info"] extends { items: (infer T)[] } ? T : never;

/** A caller of the Project API. It logs in with its first call, and again when its token has expired. */
export class ProjectClient {
  constructor(url: string | URL, credentials: Credentials, options?: ClientOptions);

  /**
   * Carries out an operation of the API: `call("GET /device/{device_id}", { path: { device_id: id } })`.
   * Rejects with {@link ApiError} for a refusal, {@link Unreachable} where no answer came.
   */
  call<K extends keyof Operations>(operation: K, ...options: Arguments<K>): Promise<Operations[K]["info"]>;

  /** All items of a list; a page is read when its first item is needed. */
  items<K extends Lists>(operation: K, ...options: Arguments<K>): AsyncGenerator<ItemOf<K>, void>;

  /** All points of an attribute from `start` to `end` (ms, inclusive), newest first, over a range of any length. */
  points(
    deviceId: string,
    identifier: string,
    range: { start: number; end: number; signal?: AbortSignal },
  ): AsyncGenerator<Operations["GET /device/{device_id}/attribute/{identifier}/series"]["info"][number], void>;
}

export interface FieldError {
  field: string;
  message: string;
  code: string;
  args: Record<string, unknown>;
}

/** A refusal by the server. `errcode` and `code` are stable; the message is for people. */
export class ApiError extends Error {
  readonly errcode: number;
  readonly code: string;
  readonly args: Record<string, unknown>;
  readonly errors: FieldError[];
  /** Of a throttled request: seconds. */
  readonly retryAfter?: number;
}

/** The device cannot receive the command or the data now. */
export class DeviceOffline extends ApiError {}

/** No answer: the server cannot be reached or took too long. It may have acted. */
export class Unreachable extends Error {}

/** What opens a subscription, as `POST /api/v1/scoped_token` answers it. */
export interface SubscriptionCredentials {
  view_key: string;
  token: string;
}

/** A message about a device. */
export interface Notice {
  /**
   * The topic after the device: `attributes`, `event/report`, `command`, `command/reply`, `data/<identifier>`, `alarm`,
   * `online`; or `gap`: the connection is back, and messages in between were missed.
   */
  kind: string;
  /** DeviceViewToken of the device. */
  viewToken: string;
  payload: Uint8Array;
  /** The payload decoded from JSON, null if it is empty. Throws SyntaxError if it is not JSON. */
  readonly body: any;
}

export type SubscriptionState = "connecting" | "live" | "lost" | "refused" | "closed";

export interface SubscribeOptions {
  /** `wss://things.example.com/mqtt` */
  url: string | URL;
  /** A function is called for each connection, so that a token can be renewed. */
  credentials: SubscriptionCredentials | (() => SubscriptionCredentials | Promise<SubscriptionCredentials>);
  /** Topic filters after the ProjectViewKey: `["+/attributes", "+/alarm"]`. */
  filters: readonly string[];
  onNotice(notice: Notice): void;
  onState?(state: SubscriptionState, detail: string): void;
  /** Of Node.js before 22, where it is no global: that of the package `ws`, for example. */
  WebSocket?: new (url: string, protocol: string) => object;
}

export interface Subscription {
  /** Ends the subscription. */
  close(): void;
}

/** Listens to messages about devices, and comes back by itself when the connection is lost. */
export function subscribe(options: SubscribeOptions): Subscription;
