/**
 * The one WebSocket of a tab: the application plane over MQTT. Whoever shows something live asks for its topics; the
 * connection subscribes to each filter once, comes back by itself, and tells when everything has to be read anew.
 */
import { onScopeDispose, shallowRef, toValue, watch, type MaybeRefOrGetter } from "vue"
import * as mqtt from "./packets"

export type LiveState = "off" | "connecting" | "live" | "lost"
export type Listener = (payload: Uint8Array, topic: string) => void

const KEEP_ALIVE = 30 // seconds
const HIDDEN_LIMIT = 60_000
const FIRST_PAUSE = 500
const LONGEST_PAUSE = 30_000

/** "live" once the server has confirmed the first subscriptions: from then on nothing that it tells is missed. */
export const liveState = shallowRef<LiveState>("off")
/** Whether the server has yet to confirm subscriptions: what they tell may still be missed. */
export const subscribing = shallowRef(false)
/** Counts the returns after a lost connection or a long sleep: what is visible is read anew. */
export const returns = shallowRef(0)

interface Wish {
  filter: string
  listener: Listener
  followed: (() => void) | undefined
}
const wishes = new Set<Wish>()
const subscribed = new Set<string>()
/** Filters of each SUBSCRIBE that the server has not acknowledged yet. */
const asked = new Map<number, readonly string[]>()
let socket: WebSocket | null = null
/** Whether the server has accepted the connection. */
let accepted = false
let username: string | null = null
let packetId = 0
let pause = FIRST_PAUSE
let wasLive = false
let retry: ReturnType<typeof setTimeout> | undefined
let beat: ReturnType<typeof setInterval> | undefined
let answered = true
let sleep: ReturnType<typeof setTimeout> | undefined
let asleep = false
/** Told when the server refuses the session, so that somebody logs in again. */
let refused: () => void = () => {}

export function onRefused(handler: () => void): void {
  refused = handler
}

function nextId(): number {
  packetId = (packetId % 65535) + 1
  return packetId
}

/** Filters and topics of this module begin behind the ProjectViewKey. */
const absolute = (filter: string) => `${username}/${filter}`

function settle(): void {
  if (!accepted || asleep) return
  const wanted = new Set([...wishes].map((wish) => wish.filter))
  const gone = [...subscribed].filter((filter) => !wanted.has(filter))
  const added = [...wanted].filter((filter) => !subscribed.has(filter))
  if (gone.length > 0) socket?.send(mqtt.unsubscribe(nextId(), gone.map(absolute)))
  if (added.length > 0) {
    const id = nextId()
    asked.set(id, added)
    subscribing.value = true
    socket?.send(mqtt.subscribe(id, added.map(absolute)))
  }
  for (const filter of gone) subscribed.delete(filter)
  for (const filter of added) subscribed.add(filter)
}

let settling = false
function settleSoon(): void {
  if (settling) return
  settling = true
  queueMicrotask(() => {
    settling = false
    settle()
  })
}

function handle(packet: mqtt.Packet): void {
  answered = true
  if (packet.type === "publish") {
    const topic = packet.topic.slice(packet.topic.indexOf("/") + 1)
    for (const wish of wishes) if (mqtt.matches(wish.filter, topic)) wish.listener(packet.payload, topic)
  } else if (packet.type === "suback") {
    const filters = asked.get(packet.id) ?? []
    asked.delete(packet.id)
    subscribing.value = asked.size > 0
    const told = [...wishes].filter((wish) => filters.includes(wish.filter)).map((wish) => wish.followed)
    for (const followed of new Set(told)) followed?.()
    if (asked.size === 0) live()
  } else if (packet.type === "connack") {
    if (packet.code !== 0) {
      liveState.value = "lost"
      refused()
      return
    }
    accepted = true
    pause = FIRST_PAUSE
    settle()
    if (asked.size === 0) live()
  }
}

function live(): void {
  if (liveState.value === "live") return
  liveState.value = "live"
  if (wasLive) returns.value += 1
  wasLive = true
}

function lost(closed: WebSocket): void {
  if (socket !== closed) return
  socket = null
  accepted = false
  clearInterval(beat)
  subscribed.clear()
  asked.clear()
  subscribing.value = false
  if (username === null) return
  liveState.value = wasLive || pause > FIRST_PAUSE ? "lost" : "connecting"
  retry = setTimeout(open, pause * (0.75 + Math.random() / 2))
  pause = Math.min(LONGEST_PAUSE, pause * 2)
}

function open(): void {
  clearTimeout(retry)
  if (username === null || socket) return
  const { protocol, host } = window.location
  const opened = new WebSocket(`${protocol === "https:" ? "wss" : "ws"}://${host}/mqtt`, "mqtt")
  const reader = new mqtt.Reader()
  socket = opened
  opened.binaryType = "arraybuffer"
  const name = username
  opened.onopen = () => opened.send(mqtt.connect(name, null, KEEP_ALIVE))
  opened.onmessage = (event: MessageEvent<ArrayBuffer>) => {
    if (socket === opened) for (const packet of reader.read(new Uint8Array(event.data))) handle(packet)
  }
  opened.onclose = () => lost(opened)
  answered = true
  clearInterval(beat)
  beat = setInterval(() => {
    if (!answered) {
      opened.close()
      lost(opened) // close() can take long on a dead network
    } else if (opened.readyState === WebSocket.OPEN) {
      answered = false
      opened.send(mqtt.PINGREQ)
    }
  }, KEEP_ALIVE * 500)
}

/** Connects as the application plane of a project. */
export function goLive(viewKey: string): void {
  if (username === viewKey) return
  stopLive()
  username = viewKey
  liveState.value = "connecting"
  open()
}

/** Ends the connection, at log-out. */
export function stopLive(): void {
  clearTimeout(retry)
  clearInterval(beat)
  username = null
  accepted = wasLive = false
  pause = FIRST_PAUSE
  subscribed.clear()
  asked.clear()
  subscribing.value = false
  const open = socket
  socket = null
  if (open?.readyState === WebSocket.OPEN) open.send(mqtt.DISCONNECT)
  open?.close()
  liveState.value = "off"
}

/** Tries at once instead of waiting for the next try. */
export function retryNow(): void {
  if (username !== null && !socket) {
    pause = FIRST_PAUSE
    open()
  }
}
window.addEventListener("online", retryNow)

document.addEventListener("visibilitychange", () => {
  clearTimeout(sleep)
  if (document.hidden)
    sleep = setTimeout(() => {
      asleep = true
      if (subscribed.size > 0 && accepted) socket?.send(mqtt.unsubscribe(nextId(), [...subscribed].map(absolute)))
      subscribed.clear()
    }, HIDDEN_LIMIT)
  else if (asleep) {
    asleep = false
    settle()
    returns.value += 1
    retryNow()
  }
})

/**
 * Listens to topics while the running component is there. Filters are the parts after the ProjectViewKey. `followed` is
 * called when the server has new ones of them: what was read before is read once more, so that nothing is missed between.
 */
export function useTopics(
  filters: MaybeRefOrGetter<readonly string[]>,
  listener: Listener,
  followed?: () => void,
): void {
  let mine: Wish[] = []
  const drop = () => {
    for (const wish of mine) wishes.delete(wish)
    mine = []
  }
  watch(
    () => [...new Set(toValue(filters))],
    (now) => {
      drop()
      mine = now.map((filter) => ({ filter, listener, followed }))
      for (const wish of mine) wishes.add(wish)
      settleSoon()
    },
    { immediate: true },
  )
  onScopeDispose(() => {
    drop()
    settleSoon()
  })
}
