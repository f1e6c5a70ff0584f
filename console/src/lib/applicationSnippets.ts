/** Lines and programs for applications: they read through the Project API, and listen to what devices send. */
import { addressOf, command, inBrackets, origin, type Address, type PortAddress, type Snippet } from "./snippets"

/** Keys of an application. */
export interface ApplicationKeys {
  appId: string
  accessKey: string
  secretKey: string
}

/** A first call of the Project API: an AccessToken, which lasts a day, and the devices that it sees. */
export function applicationSnippets(http: Address, keys: ApplicationKeys): Snippet[] {
  const json = ["-H", "Content-Type: application/json"]
  const body = JSON.stringify({ app_id: keys.appId, access_key: keys.accessKey, secret_key: keys.secretKey })
  const api = `${origin(http)}/api/v1`
  const text = [
    `TOKEN=$(${command("curl", "-s", `${api}/access_token`, ...json, "-d", body)} | sed 's/.*"access_token":"\\([^"]*\\)".*/\\1/')`,
    `${command("curl", `${api}/devices`)} -H "Authorization: Bearer $TOKEN"`,
  ].join("\n")
  return [{ kind: "application", label: "curl", install: "", text }]
}

/** Where applications listen, and with what. */
export interface Subscription {
  mqtt: Address | null
  web: Address | null
  viewKey: string
  viewSecret: string
}

/** What stands where a secret must be written in, of which the server has only a hash. */
export const YOUR_SECRET = "PROJECT_VIEW_SECRET"

export function subscriptionOf(
  endpoints: readonly PortAddress[],
  keys: { viewKey: string; viewSecret: string },
): Subscription {
  return { mqtt: addressOf(endpoints, "mqtt", "mqtts"), web: addressOf(endpoints, "wss", "ws"), ...keys }
}

function javascript(web: Address, { viewKey, viewSecret }: Subscription): string {
  const address = `${web.tls ? "wss" : "ws"}://${inBrackets(web.host)}:${web.port}/mqtt`
  return `import mqtt from "mqtt"

const client = mqtt.connect(${JSON.stringify(address)}, {
  username: ${JSON.stringify(viewKey)},
  password: ${JSON.stringify(viewSecret)},
})
client.on("connect", () => {
  console.log("connected")
  client.subscribe(${JSON.stringify(`${viewKey}/+/attributes`)})
})
client.on("message", (topic, payload) => console.log(topic, payload.toString()))
client.on("error", (error) => console.error(error.message))
`
}

/** What all devices of the project send, as it comes. */
export function subscriptionSnippets(target: Subscription): Snippet[] {
  const { mqtt, web, viewKey, viewSecret } = target
  const found: Snippet[] = []
  if (mqtt) {
    const text = command(
      ...["mosquitto_sub", "-h", mqtt.host, "-p", String(mqtt.port), ...(mqtt.tls ? ["--tls-use-os-certs"] : [])],
      ...["-v", "-u", viewKey, "-P", viewSecret, "-t", `${viewKey}/+/attributes`],
    )
    found.push({ kind: "mosquitto_sub", label: "mosquitto_sub", install: "apt install mosquitto-clients", text })
  }
  if (web)
    found.push({ kind: "javascript", label: "JavaScript", install: "npm install mqtt", text: javascript(web, target) })
  return found
}
