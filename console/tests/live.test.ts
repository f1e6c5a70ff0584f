import { effectScope, nextTick, ref, type EffectScope } from "vue"
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest"
import { goLive, liveState, onRefused, returns, retryNow, stopLive, subscribing, useTopics } from "@/live/connection"
import { useChanges } from "@/live/changes"
import { usePainter } from "@/live/clock"
import { Socket } from "./fakes"

let scope: EffectScope

function hide(hidden: boolean): void {
  Object.defineProperty(document, "hidden", { value: hidden, configurable: true })
  document.dispatchEvent(new Event("visibilitychange"))
}

beforeEach(() => {
  vi.useFakeTimers()
  vi.stubGlobal("WebSocket", Socket)
  Socket.all = []
  scope = effectScope()
})

afterEach(() => {
  scope.stop()
  stopLive()
  hide(false)
  vi.unstubAllGlobals()
  vi.useRealTimers()
})

describe("the live connection", () => {
  it("speaks MQTT to the host of the page, with the ProjectViewKey and no password", () => {
    goLive("vk")
    expect([Socket.last.url, Socket.last.protocol]).toEqual([`ws://${window.location.host}/mqtt`, "mqtt"])
    Socket.last.open()
    expect(Socket.last.sent[0]?.slice(-2)).toEqual([0x76, 0x6b])
    expect(liveState.value).toBe("connecting")
    Socket.last.receive(0x20, 2, 0, 0)
    expect(liveState.value).toBe("live")
  })

  it("is live when the server follows what was asked for, so that nothing is missed from then on", async () => {
    goLive("vk")
    scope.run(() => useTopics(["t/attributes"], () => {}))
    await nextTick()
    Socket.last.admit()
    expect(liveState.value).toBe("connecting")
    Socket.last.follow()
    expect(liveState.value).toBe("live")
    scope.run(() => useTopics(["t/online"], () => {}))
    await nextTick()
    expect([liveState.value, subscribing.value]).toEqual(["live", true])
    Socket.last.follow()
    expect([liveState.value, subscribing.value]).toEqual(["live", false])
  })

  it("tells who listens when the server follows a filter, and again after a return", async () => {
    goLive("vk")
    const followed = vi.fn()
    scope.run(() => useTopics(["t/attributes"], () => {}, followed))
    await nextTick()
    Socket.last.admit()
    expect(followed).not.toHaveBeenCalled()
    Socket.last.follow()
    expect(followed).toHaveBeenCalledTimes(1)
    Socket.last.close()
    vi.advanceTimersByTime(1000)
    Socket.last.admit()
    Socket.last.follow()
    expect(followed).toHaveBeenCalledTimes(2)
  })

  it("subscribes to a filter once, however many listen, and leaves it with the last of them", async () => {
    goLive("vk")
    Socket.last.admit()
    const [one, two] = [effectScope(), effectScope()]
    const heard: string[] = []
    one.run(() => useTopics(["t/attributes"], () => heard.push("one")))
    two.run(() => useTopics(["t/attributes", "t/online"], (_payload, topic) => heard.push(topic)))
    await nextTick()
    expect(Socket.last.filters(8)).toEqual(["vk/t/attributes", "vk/t/online"])
    Socket.last.publish("vk/t/attributes", "{}")
    expect(heard).toEqual(["one", "t/attributes"])
    one.stop()
    await nextTick()
    expect(Socket.last.filters(10)).toEqual([])
    two.stop()
    await nextTick()
    expect(Socket.last.filters(10)).toEqual(["vk/t/attributes", "vk/t/online"])
    Socket.last.publish("vk/t/attributes", "{}")
    expect(heard).toHaveLength(2)
  })

  it("follows filters that change", async () => {
    goLive("vk")
    Socket.last.admit()
    const filters = ref(["a/online"])
    scope.run(() => useTopics(filters, () => {}))
    await nextTick()
    filters.value = ["b/online"]
    await nextTick()
    await nextTick()
    expect(Socket.last.filters(8)).toEqual(["vk/a/online", "vk/b/online"])
    expect(Socket.last.filters(10)).toEqual(["vk/a/online"])
  })

  it("comes back by itself, subscribes anew, and tells that everything has to be read", async () => {
    goLive("vk")
    Socket.last.admit()
    scope.run(() => useTopics(["t/online"], () => {}))
    await nextTick()
    const before = returns.value
    Socket.last.close()
    expect(liveState.value).toBe("lost")
    await vi.advanceTimersByTimeAsync(1_000)
    expect(Socket.all).toHaveLength(2)
    Socket.last.admit()
    expect(Socket.last.filters(8)).toEqual(["vk/t/online"])
    expect([liveState.value, returns.value]).toEqual(["lost", before])
    Socket.last.follow()
    expect([liveState.value, returns.value]).toEqual(["live", before + 1])
  })

  it("waits longer after each failure, at most about 30 s, and not when somebody asks", async () => {
    goLive("vk")
    for (let failures = 0; failures < 9; failures += 1) {
      Socket.last.close()
      await vi.advanceTimersByTimeAsync(40_000)
    }
    const tries = Socket.all.length
    expect(tries).toBe(10)
    Socket.last.close()
    await vi.advanceTimersByTimeAsync(20_000)
    expect(Socket.all).toHaveLength(tries)
    retryNow()
    expect(Socket.all).toHaveLength(tries + 1)
  })

  it("is lost when the server does not answer a ping", async () => {
    goLive("vk")
    Socket.last.admit()
    await vi.advanceTimersByTimeAsync(15_000)
    expect(Socket.last.sent.at(-1)).toEqual([0xc0, 0])
    expect(liveState.value).toBe("live")
    Socket.last.answersPings = false
    await vi.advanceTimersByTimeAsync(15_000)
    expect(liveState.value).toBe("live")
    await vi.advanceTimersByTimeAsync(15_000)
    expect(liveState.value).toBe("lost")
  })

  it("tells that it was refused", () => {
    let told = 0
    onRefused(() => (told += 1))
    goLive("vk")
    Socket.last.open()
    Socket.last.receive(0x20, 2, 0, 5)
    expect([told, liveState.value]).toEqual([1, "lost"])
  })

  it("listens to nothing in a tab that is hidden for a minute, and reads anew on return", async () => {
    goLive("vk")
    Socket.last.admit()
    scope.run(() => useTopics(["t/online"], () => {}))
    await nextTick()
    const before = returns.value
    hide(true)
    await vi.advanceTimersByTimeAsync(59_000)
    expect(Socket.last.filters(10)).toEqual([])
    await vi.advanceTimersByTimeAsync(2_000)
    expect(Socket.last.filters(10)).toEqual(["vk/t/online"])
    hide(false)
    expect(Socket.last.filters(8)).toEqual(["vk/t/online", "vk/t/online"])
    expect(returns.value).toBe(before + 1)
  })

  it("ends with the session, and does not come back", async () => {
    goLive("vk")
    Socket.last.admit()
    stopLive()
    expect(Socket.last.sent.at(-1)).toEqual([0xe0, 0])
    await vi.advanceTimersByTimeAsync(60_000)
    expect([Socket.all.length, liveState.value]).toEqual([1, "off"])
  })
})

describe("the clock", () => {
  it("paints what many messages changed together, at most five times a second", async () => {
    let painted = 0
    const changed = scope.run(() => usePainter(() => (painted += 1)))
    for (let message = 0; message < 1000; message += 1) changed?.()
    expect(painted).toBe(0)
    await vi.advanceTimersByTimeAsync(200)
    expect(painted).toBe(1)
    for (let elapsed = 0; elapsed < 1000; elapsed += 10) {
      changed?.()
      await vi.advanceTimersByTimeAsync(10)
    }
    expect(painted).toBeLessThanOrEqual(6)
    expect(painted).toBeGreaterThanOrEqual(3)
  })

  it("paints nothing while the tab is hidden, and what waited when it is back", async () => {
    let painted = 0
    const changed = scope.run(() => usePainter(() => (painted += 1)))
    hide(true)
    changed?.()
    await vi.advanceTimersByTimeAsync(5_000)
    expect(painted).toBe(0)
    hide(false)
    await vi.advanceTimersByTimeAsync(300)
    expect(painted).toBe(1)
  })

  it("does not paint what is gone", async () => {
    let painted = 0
    const changed = scope.run(() => usePainter(() => (painted += 1)))
    changed?.()
    scope.stop()
    await vi.advanceTimersByTimeAsync(1_000)
    expect(painted).toBe(0)
  })
})

describe("lists that follow what others change", () => {
  const told = (kind: string, action = "update") =>
    Socket.last.publish("vk/$project/changed", JSON.stringify({ kind, id: "x", version: 2, action, by: "eve", ts: 1 }))

  async function listening(): Promise<ReturnType<typeof vi.fn>> {
    goLive("vk")
    Socket.last.admit()
    const read = vi.fn()
    scope.run(() => useChanges(["customer"], () => void read()))
    await nextTick()
    return read
  }

  it("are read when the server has begun to tell, as they may have been changed before", async () => {
    goLive("vk")
    const read = vi.fn()
    scope.run(() => useChanges(["customer"], () => void read()))
    await nextTick()
    Socket.last.admit()
    expect(read).not.toHaveBeenCalled()
    Socket.last.follow()
    expect(read).toHaveBeenCalledTimes(1)
  })

  it("are read once a second at most, however fast things change, and not for other kinds", async () => {
    const read = await listening()
    for (let count = 0; count < 30; count += 1) {
      told("customer")
      told("device_type")
      vi.advanceTimersByTime(100)
    }
    expect(read.mock.calls.length).toBeGreaterThanOrEqual(2)
    expect(read.mock.calls.length).toBeLessThanOrEqual(3)
    vi.advanceTimersByTime(2000)
    const { length } = read.mock.calls
    told("device_type")
    vi.advanceTimersByTime(5000)
    expect(read).toHaveBeenCalledTimes(length)
  })

  it("wait in a hidden page until it is seen", async () => {
    const read = await listening()
    hide(true)
    told("customer")
    vi.advanceTimersByTime(5000)
    expect(read).not.toHaveBeenCalled()
    hide(false)
    expect(read).toHaveBeenCalledTimes(1)
    hide(true)
    hide(false)
    expect(read).toHaveBeenCalledTimes(1)
  })

  it("do not move rows while the pointer is upon one, and change values in place", async () => {
    const read = await listening()
    vi.stubGlobal("matchMedia", () => ({ matches: true }))
    const pointed = vi.spyOn(document, "querySelector").mockReturnValue(document.body)
    told("customer")
    vi.advanceTimersByTime(1000)
    expect(read).toHaveBeenCalledTimes(1)
    told("customer", "create")
    vi.advanceTimersByTime(5000)
    expect(read).toHaveBeenCalledTimes(1)
    pointed.mockReturnValue(null)
    vi.advanceTimersByTime(1000)
    expect(read).toHaveBeenCalledTimes(2)
    pointed.mockRestore()
  })
})
