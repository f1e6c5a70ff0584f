// Calls to a server that refuses them for now; prints what each call became, and how often it was sent.
import { createServer } from "node:http";
import { ProjectClient } from "thingstead-client";

const script = [];
let requests = 0;
const server = createServer((request, response) => {
  request.resume();
  requests += 1;
  const [status, body, headers = {}] = script.shift() ?? [200, { result: true, info: {} }];
  response.writeHead(status, headers).end(typeof body === "string" ? body : JSON.stringify(body));
});
await new Promise((resolve) => server.listen(0, "127.0.0.1", resolve));
const url = `http://127.0.0.1:${server.address().port}/base/`;
const client = new ProjectClient(url, { token: "t" }, { retries: 2, pauseMaxMs: 600 });
const refused = (errcode) => [errcode, { result: false, errcode, message: "not now", code: "c" }];
const proxy = [503, "gone"];
const slow = [429, { result: false, errcode: 429, message: "m" }, { "Retry-After": "60" }];
const outcomes = {};

async function attempt(name, operation, ...answers) {
  script.splice(0, Infinity, ...answers);
  requests = 0;
  const outcome = await client.call(operation, { body: operation.startsWith("POST") ? {} : undefined }).then(
    () => "ok",
    (error) => `${error.errcode} ${error.retryAfter ?? ""}`.trim(),
  );
  outcomes[name] = [outcome, requests];
}

await attempt("a POST after 503 of the server", "POST /device", refused(503));
await attempt("a POST after 429", "POST /device", refused(429));
await attempt("a POST after 503 of a proxy", "POST /device", proxy);
await attempt("a GET after 503 of a proxy", "GET /project", proxy);
await attempt("a GET after 500", "GET /project", refused(500));
await attempt("too often", "GET /project", refused(503), refused(503), refused(503), refused(503));
await attempt("too long", "GET /project", slow);
console.log(JSON.stringify(outcomes));
process.exit(0);
