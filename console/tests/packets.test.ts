import { describe, expect, it } from "vitest"
import * as mqtt from "@/live/packets"

const bytes = (...values: number[]) => new Uint8Array(values)
const publish = bytes(0x30, 8, 0, 3, 0x61, 0x2f, 0x62, 0x7b, 0x7d, 0x0a) // topic a/b, payload {} and a line end

describe("packets of MQTT", () => {
  it("connect with a clean session, a user name and no password", () => {
    expect([...mqtt.connect("vk", null, 30)]).toEqual([
      ...[0x10, 16, 0, 4, 0x4d, 0x51, 0x54, 0x54, 4, 0x82, 0, 30, 0, 0, 0, 2, 0x76, 0x6b],
    ])
  })

  it("subscribe and unsubscribe with the bits that the standard wants", () => {
    expect([...mqtt.subscribe(258, ["a/+"])]).toEqual([0x82, 8, 1, 2, 0, 3, 0x61, 0x2f, 0x2b, 0])
    expect([...mqtt.unsubscribe(1, ["a"])]).toEqual([0xa2, 5, 0, 1, 0, 1, 0x61])
  })

  it("have lengths of several bytes", () => {
    const packet = mqtt.subscribe(1, ["x".repeat(200)])
    expect([...packet.slice(0, 3)]).toEqual([0x82, 0xcd, 0x01])
    expect(packet.length).toBe(3 + 205)
  })

  it("are read whatever the frames of the WebSocket, several in one and one in several", () => {
    const stream = new Uint8Array([...bytes(0x20, 2, 0, 0), ...publish, ...bytes(0x90, 3, 1, 2, 0x80), 0xd0, 0])
    for (let size = 1; size <= stream.length; size += 1) {
      const reader = new mqtt.Reader()
      const found: mqtt.Packet[] = []
      for (let at = 0; at < stream.length; at += size) found.push(...reader.read(stream.slice(at, at + size)))
      expect(found.map((packet) => packet.type)).toEqual(["connack", "publish", "suback", "pingresp"])
      const [, message, suback] = found
      expect(message?.type === "publish" && [message.topic, new TextDecoder().decode(message.payload)]).toEqual([
        "a/b",
        "{}\n",
      ])
      expect(suback).toEqual({ type: "suback", id: 258, codes: [0x80] })
    }
  })

  it("tell a refused connection", () => {
    expect(new mqtt.Reader().read(bytes(0x20, 2, 0, 5))).toEqual([{ type: "connack", code: 5 }])
  })

  it("refuse a length that no packet has", () => {
    expect(() => new mqtt.Reader().read(bytes(0x30, 0xff, 0xff, 0xff, 0xff, 0x01))).toThrow(RangeError)
  })
})

describe("filters", () => {
  it.each([
    ["a/b", "a/b", true],
    ["a/+", "a/b", true],
    ["+/attributes", "t/attributes", true],
    ["a/+", "a/b/c", false],
    ["a/#", "a/b/c", true],
    ["a/#", "a", true],
    ["#", "a/b", true],
    ["a/b", "a", false],
    ["a", "a/b", false],
  ])("%s against %s: %s", (filter, topic, result) => {
    expect(mqtt.matches(filter, topic)).toBe(result)
  })
})
