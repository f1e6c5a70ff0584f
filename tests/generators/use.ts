// Uses a TypeScript client that was generated from the OpenAPI document: `use.js URL CREDENTIALS`, both as in the test.
// Prints what the server answered, as JSON.
import { createClient, createConfig } from './client/client/index.js'
import * as api from './client/index.js'

declare const process: { argv: string[] }

const [url, given] = process.argv.slice(2) as [string, string]
const credentials = JSON.parse(given) as Record<'app_id' | 'access_key' | 'secret_key', string>

/** The `info` of a successful answer; the type of the failure is told apart by `result`. */
function info<T>(answer: { data?: { result: true; info: T } | api.Failure; error?: unknown }): T {
  if (answer.data === undefined || answer.data.result === false) throw new Error(`${JSON.stringify(answer.data)} ${String(answer.error)}`)
  return answer.data.info
}

const anyone = createClient(createConfig({ baseUrl: url }))
const token = info(await api.getAccessToken({ client: anyone, body: credentials })).access_token
const client = createClient(createConfig({ baseUrl: url, auth: token }))

const made = info(await api.createDevice({ client, body: { name: 'from TypeScript', tags: { site: 'north' } } }))
const path = { device_id: made.id }
const certificate = info(await api.readCertificate({ client, path }))
const device = createClient(createConfig({ baseUrl: url, auth: certificate.project_key }))
const reported = await api.reportAttributes({
  client: device,
  path: { access_token: certificate.access_token },
  body: { temperature: 21.5 }
})
if (reported.data?.result !== 1) throw new Error(JSON.stringify(reported.data))
const pushed = await api.pushAttributes({ client, path, body: { relay: true } })
const current = info(await api.readAttributes({ client, path }))
const series = info(await api.readSeries({ client, path: { ...path, identifier: 'temperature' } }))
const listed = info(await api.listDevices({ client, query: { keyword: 'from TypeScript', attributes: 'temperature' } }))
const detail = info(await api.readDevice({ client, path }))
const unknown = (await api.readDevice({ client, path: { device_id: 'nowhere' } })).data
const deleted = (await api.deleteDevice({ client, path })).data

console.log(
  JSON.stringify({
    device: detail.name,
    tags: detail.tags,
    listed: listed.items.map((item) => item.values?.['temperature']?.value),
    values: Object.fromEntries(current.map((item) => [item.identifier, item.value])),
    series: series.map((item) => item.value),
    pushed: pushed.data?.result,
    unknown: unknown?.result === false ? unknown.errcode : 0,
    deleted: deleted?.result
  })
)
