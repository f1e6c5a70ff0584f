import { expect, test } from "vitest"
import { adviceFor, findings, type Known } from "@/pages/device/health"
import type { DeviceDetail, Rejected } from "@/pages/device/model"

const MINUTE = 60_000
const NOW = 1_800_000_000_000
const device: DeviceDetail = {
  id: "k3v9x2ab",
  name: "Pump",
  descr: "",
  device_key: "",
  tags: {},
  create_time: NOW - 1e9,
  alarm: {},
  active: {},
  online: false,
  type: "",
  view_token: "token",
  device_code: "code",
  groups: [],
}
const session = { protocol: "mqtt", client_id: "c", remote_address: "10.0.0.7:1234", connected_at: NOW - 10 * MINUTE }
const refused: Rejected = {
  ts: NOW - MINUTE,
  topic: "attributes",
  reason: "values were refused",
  errors: [],
  payload: "",
  suppressed: 0,
}
const change = {
  ts: NOW - 5 * MINUTE,
  online: false,
  reason: "the connection was lost",
  session_id: "s",
  protocol: "",
  client_id: "",
  remote_address: "",
}

function titles(known: Partial<Known>): string[] {
  return findings({ device, heardAt: 0, now: NOW, ...known }).map((finding) => finding.title)
}
const reporting: DeviceDetail = {
  ...device,
  online: true,
  session,
  active: { attributes: NOW - 1000, connect: session.connected_at },
}

test("a device that reports has nothing in its way", () => {
  expect(titles({ device: reporting, heardAt: NOW - 1000 })).toEqual([])
})

test("one that never came is told where its credentials are", () => {
  expect(titles({})).toEqual(["health.never"])
})

test("a wrong ProjectKey is named before anything else is guessed", () => {
  const logIn = { ...refused, topic: "log-in", code: "wrong_project_key" }
  expect(titles({ refused: logIn })).toEqual(["health.logInRefused"])
  expect(adviceFor(logIn)).toBe("health.adviceKey")
})

test("a refusal that is older than the last report is a warning, and one of yesterday none at all", () => {
  const known = { device: reporting, heardAt: NOW - 1000 }
  expect(findings({ ...known, refused, now: NOW })[0]?.kind).toBe("warn")
  expect(titles({ ...known, refused: { ...refused, ts: NOW - 25 * 60 * MINUTE } })).toEqual([])
})

test("a refusal that is newer than the last report is the reason of the silence", () => {
  const known = { device: { ...reporting, active: { attributes: NOW - 10 * MINUTE } }, heardAt: NOW - 10 * MINUTE }
  expect(findings({ ...known, refused, now: NOW })[0]).toMatchObject({ kind: "bad", title: "health.refused" })
})

test("a sub-device behind an offline gateway is told about the gateway alone", () => {
  const behind = { ...device, gateway: "g", active: { connect: NOW - 1e6 } }
  const known = {
    device: behind,
    gateway: { ...device, id: "g", name: "Gateway" },
    change: { ...change, reason: "gateway" },
  }
  expect(titles(known)).toEqual(["health.gatewayOffline"])
})

test("an offline device says why its connection ended", () => {
  const known = {
    device: { ...device, active: { connect: NOW - 1e6, attributes: NOW - 1e6 } },
    change,
    heardAt: NOW - 1e6,
  }
  expect(findings({ ...known, now: NOW })).toMatchObject([
    { title: "health.offline", advice: "health.adviceLost", at: change.ts },
  ])
  const left = { ...known, change: { ...change, reason: "the device disconnected" } }
  expect(findings({ ...left, now: NOW })[0]?.advice).toBe("health.adviceLeft")
})

test("one that is connected and mute is told so after a minute", () => {
  const mute = { ...device, online: true, session, active: { connect: session.connected_at } }
  expect(titles({ device: mute })).toEqual(["health.mute"])
  expect(titles({ device: { ...mute, session: { ...session, connected_at: NOW - 1000 } } })).toEqual([])
})

test("a device over HTTP is not called offline", () => {
  const http = { ...device, active: { attributes: NOW - 1000 } }
  expect(titles({ device: http, heardAt: NOW - 1000, change })).toEqual([])
})

test("clients that share a certificate come first", () => {
  const rivals = [
    { client_id: "a", remote_address: "10.0.0.1:1" },
    { client_id: "b", remote_address: "10.0.0.2:2" },
  ]
  expect(titles({ device: { ...reporting, certificate_conflict: rivals }, heardAt: NOW, refused })).toEqual([
    "health.rivals",
    "health.refused",
  ])
})

test("advice follows the code, and the text of older entries", () => {
  const of = (code: string, reason = "") => adviceFor({ ...refused, code, reason })
  expect(of("unknown_topic_near")).toBe("health.adviceTopic")
  expect(of("json_name_expected")).toBe("health.adviceJson")
  expect(of("values_refused")).toBe("health.adviceValue")
  expect(of("", "unknown topic; did you mean attributes?")).toBe("health.adviceTopic")
  expect(of("", "invalid JSON: it breaks off at byte 3")).toBe("health.adviceJson")
})
