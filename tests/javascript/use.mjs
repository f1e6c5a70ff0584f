// Uses the packed client against a server, in Node.js and, inlined into a page, in a browser.
// Prints, or returns, what it has seen.
import { ApiError, DeviceOffline, ProjectClient, subscribe, Unreachable } from "thingstead-client";

let uploads = 0;

export async function use({ url, keys, deviceId, report }) {
  const seen = {};
  const api = new ProjectClient(url, keys);
  const path = { device_id: deviceId };
  seen.name = (await api.call("GET /device/{device_id}", { path })).name;
  seen.listed = [];
  for await (const item of api.items("GET /devices", { query: { page_records: 1 } })) seen.listed.push(item.name);
  const start = 1_767_225_600_000;
  seen.points = [];
  for await (const point of api.points(deviceId, "past", { start, end: start + 90 * 86_400_000 })) {
    seen.points.push(point.value);
  }
  const sameMs = [];
  for await (const point of api.points(deviceId, "same", { start, end: start + 1 })) sameMs.push(point.value);
  seen.same = [sameMs.length, new Set(sameMs).size];
  const command = { path, body: { method: "toggle" } };
  const offline = await api.call("POST /control/device/{device_id}/command", command).catch((error) => error);
  seen.offline = [offline instanceof DeviceOffline, offline instanceof ApiError, offline.errcode, offline.code];
  const unknown = await api.call("GET /device/{device_id}", { path: { device_id: "nosuch00" } }).catch((error) => error);
  seen.unknown = [unknown instanceof DeviceOffline, unknown.errcode];
  const nobody = await new ProjectClient("http://127.0.0.1:1", keys).call("GET /project").catch((error) => error);
  seen.nobody = nobody instanceof Unreachable;
  seen.uploaded = [];
  for (const body of [new Uint8Array([233, 0, 255]), new Uint8Array([1, 2]).buffer, new Blob(["abcd"])]) {
    const firmware = { name: "Release", version_name: `1.${(uploads += 1)}` };
    const { id } = await api.call("POST /ota_version", { body: firmware });
    const file = await api.call("PUT /ota_version/{ota_version_id}/file", { path: { ota_version_id: id }, body });
    seen.uploaded.push(file.size_bytes);
  }
  Object.assign(seen, await live(api, url, deviceId, report));
  return seen;
}

/** With a scoped token: it tells of one device, reads one device, and ends. */
async function live(api, url, deviceId, report) {
  const scope = { devices: [deviceId], topics: ["attributes"], reads: ["attributes"] };
  let made = 0;
  const credentials = () => {
    made += 1;
    return api.call("POST /scoped_token", { body: { ...scope, expires_in_s: made === 1 ? 1 : 3600 } });
  };
  const events = [];
  const next = queue(events);
  const subscription = subscribe({
    url: `${url.replace("http", "ws")}/mqtt`,
    credentials,
    filters: ["+/attributes", "+/online"],
    onNotice: (notice) => next.put([notice.kind, notice.body?.attributes ?? null]),
    onState: (state, detail) => next.put([state, detail]),
  });
  await next.until("live");
  await report({ t: 1 });
  await next.until("attributes");
  await next.until("gap"); // the first token has ended; another was asked for
  await report({ t: 2 });
  await next.until("attributes");
  subscription.close();
  const { token } = await api.call("POST /scoped_token", { body: scope });
  const page = new ProjectClient(url, { token });
  const [value] = (await page.call("GET /device/{device_id}/attributes", { path: { device_id: deviceId } })).filter(
    (item) => item.identifier === "t",
  );
  const outside = await page.call("GET /project").catch((error) => error);
  const wrong = queue([]);
  subscribe({
    url: `${url.replace("http", "ws")}/mqtt`,
    credentials: { view_key: "nosuchkey0", token },
    filters: ["+/attributes"],
    onNotice: () => {},
    onState: (state, detail) => wrong.put([state, detail]),
  });
  const refused = await wrong.until("refused");
  return { events: events.map(([name, value]) => (name === "attributes" ? [name, value] : [name])), made, value: value.value, outside: outside.errcode, refused: refused[1] };
}

/** Waits for what callbacks tell. */
function queue(events) {
  let wake = () => {};
  let read = 0;
  return {
    put(event) {
      events.push(event);
      wake();
    },
    async until(name) {
      for (;;) {
        while (read < events.length) {
          read += 1;
          if (events[read - 1][0] === name) return events[read - 1];
        }
        await new Promise((resolve) => (wake = resolve));
      }
    },
  };
}
