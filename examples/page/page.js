// Shows one device live. The page has no secret of the project: its back end gives it a token for this device.
import { ProjectClient, subscribe } from "./client/index.js";

const shown = document.getElementById("values");

function show(values) {
  for (const [name, value] of Object.entries(values)) {
    let row = [...shown.rows].find((candidate) => candidate.dataset.name === name);
    if (!row) {
      row = shown.insertRow();
      row.dataset.name = name;
      row.insertCell().textContent = name;
      row.insertCell();
    }
    row.cells[1].textContent = JSON.stringify(value);
  }
}

function say(text) {
  document.getElementById("state").textContent = text;
}

async function ask(path, body) {
  const response = await fetch(path, { method: body === undefined ? "GET" : "POST", body });
  const answer = await response.json();
  if (!response.ok) throw new Error(answer.message);
  return answer;
}

// The values as they are now: at the beginning, and after messages were missed.
async function read({ url, device, token }) {
  const api = new ProjectClient(url, { token });
  const items = await api.call("GET /device/{device_id}/attributes", { path: { device_id: device } });
  show(Object.fromEntries(items.map((item) => [item.identifier, item.value])));
}

const first = await ask("token");
subscribe({
  url: `${first.url.replace(/^http/, "ws").replace(/\/$/, "")}/mqtt`,
  credentials: () => ask("token"), // for each connection, so that an expired token is replaced
  filters: ["+/attributes", "+/online"],
  onNotice({ kind, body }) {
    if (kind === "attributes") show(body.attributes);
    else if (kind === "online") say(body.online ? "online" : `offline: ${body.reason}`);
  },
  onState(state, detail) {
    say(detail ? `${state}: ${detail}` : state);
    if (state === "live") ask("token").then(read, (error) => say(error.message));
  },
});

for (const [id, value] of [["on", "true"], ["off", "false"]]) {
  document.getElementById(id).addEventListener("click", () => ask("relay", value).catch((error) => say(error.message)));
}
