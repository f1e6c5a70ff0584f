import { expect, test } from "vitest"
import { applicationSnippets, subscriptionSnippets } from "@/lib/applicationSnippets"
import { masked, MASK, pythonLiteral, SAMPLE, shellQuote, snippetsFor, type SnippetTarget } from "@/lib/snippets"

// Placeholders, for which tests/console/test_snippets.py puts what belongs to its server.
const target: SnippetTarget = {
  http: { host: "server.example", port: 18080, tls: false },
  mqtt: { host: "server.example", port: 11883, tls: false },
  tcp: { host: "server.example", port: 12880, tls: false },
  accessToken: "ACCESSTOKEN",
  projectKey: "PROJECTKEY",
}
const AWKWARD = {
  text: 'it\'s "$HOME" `id` \\ 100 % & 温度 ! {x}',
  list: [true, { deep: [null, 1.5, -2e-7] }],
  no: false,
}

test("what the pages show is what is run against a server", async () => {
  const shown = { sample: SAMPLE, awkward: AWKWARD }
  const all = Object.entries(shown).flatMap(([name, values]) =>
    snippetsFor(target, values).map(({ kind, text }) => ({ name, kind, values, text })),
  )
  const keys = { appId: "APPID", accessKey: "ACCESSKEY", secretKey: "SECRETKEY" }
  const web = { host: "server.example", port: 18080, tls: false }
  const subscription = { mqtt: target.mqtt, web, viewKey: "VIEWKEY", viewSecret: "VIEWSECRET" }
  for (const { kind, text } of [...applicationSnippets(target.http, keys), ...subscriptionSnippets(subscription)])
    all.push({ name: "application", kind, values: {}, text })
  // Written anew by `script/console test -u`.
  await expect(JSON.stringify(all, null, 1) + "\n").toMatchFileSnapshot("../../tests/console/snippets.json")
})

test("what belongs together is one argument of a shell", () => {
  expect(shellQuote("http://a.b:80/x-y_z")).toBe("http://a.b:80/x-y_z")
  expect(shellQuote("")).toBe('""')
  expect(shellQuote('{"a": 1}')).toBe('"{\\"a\\": 1}"')
  expect(shellQuote("a&b")).toBe('"a&b"')
  expect(shellQuote('{"a": "b&c"}')).toBe(`'{"a": "b&c"}'`)
  expect(shellQuote("it's $5")).toBe(`'it'\\''s $5'`)
})

test("values are literals of Python", () => {
  expect(pythonLiteral({ on: true, off: false, none: null, list: ["a", 1] })).toBe(
    '{"on": True, "off": False, "none": None, "list": ["a", 1]}',
  )
})

test("secrets are not in what is shown before somebody asks", () => {
  for (const { text } of snippetsFor(masked(target))) {
    expect(text).not.toMatch(/ACCESSTOKEN|PROJECTKEY/)
    expect(text).toContain(MASK)
  }
})

test("only what the server listens on is offered", () => {
  const kinds = (change: Partial<SnippetTarget>) => snippetsFor({ ...target, ...change }).map(({ kind }) => kind)
  expect(kinds({ mqtt: null, tcp: null })).toEqual(["curl"])
  expect(kinds({ mqtt: { host: "h", port: 8883, tls: true }, tcp: null })).toEqual([
    "mosquitto",
    "mosquitto_sub",
    "curl",
    "python",
  ])
})

test("the usual port and an address of IPv6 are written as in addresses", () => {
  const text = (http: SnippetTarget["http"]) => snippetsFor({ ...target, http, mqtt: null, tcp: null })[0]?.text
  expect(text({ host: "iot.example", port: 443, tls: true })).toContain("https://iot.example/device/")
  expect(text({ host: "fd00::1", port: 8080, tls: false })).toContain("http://[fd00::1]:8080/device/")
})
