import { DeviceOffline, ProjectClient, subscribe, type api } from "thingstead-client";

const client = new ProjectClient("http://localhost:8080", { appId: "a", accessKey: "b", secretKey: "c" });
const device: api.DeviceDetail = await client.call("GET /device/{device_id}", { path: { device_id: "x" } });
const name: string = device.name;
for await (const item of client.items("GET /devices", { query: { online: true, keyword: name } })) {
  const text: string = item.name;
  console.log(text);
}
for await (const point of client.points("x", "t", { start: 0, end: 1 })) console.log(point.ts.toFixed());
const made = await client.call("POST /scoped_token", { body: { devices: ["x"], topics: ["attributes"] } });
await client.call("GET /project");
const subscription = subscribe({
  url: "ws://localhost:8080/mqtt",
  credentials: made,
  filters: ["+/attributes"],
  onNotice: ({ kind, body }) => console.log(kind, body),
});
subscription.close();
const upload = { path: { ota_version_id: "x" }, body: new Uint8Array([1]) };
const { sha256 }: api.OtaFileInfo = await client.call("PUT /ota_version/{ota_version_id}/file", upload);
console.log(sha256);
const offline = new DeviceOffline();
const errcode: number = offline.errcode;
console.log(errcode);

// @ts-expect-error the path is needed
await client.call("GET /device/{device_id}");
// @ts-expect-error there is no such operation
await client.call("GET /nothing");
// @ts-expect-error there is no such topic
await client.call("POST /scoped_token", { body: { topics: ["trace"] } });
// @ts-expect-error it is no list
client.items("GET /project");
// @ts-expect-error there is no such member
console.log(device.nothing);
