// The page: shows a device's values, pushes values, sends commands. Live where it has the project's view keys.

const POLL_MS = 5000;
const shown = document.getElementById("values");
let device;
let polling;
let stopListening = () => {};

function say(text) {
  document.getElementById("message").textContent = text;
}

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

function on(id, action) {
  document.getElementById(id).addEventListener("submit", async (event) => {
    event.preventDefault();
    try {
      say((await action(Object.fromEntries(new FormData(event.target)))) ?? "");
    } catch (error) {
      say(String(error.message));
    }
  });
}

on("connection", async (given) => {
  clearInterval(polling);
  stopListening();
  shown.replaceChildren();
  device = new Device(given.url, given.access_token, given.project_key);
  show(await device.attributes());
  if (given.view_key && given.view_secret && given.view_token) {
    const url = `${given.url.replace(/^http/, "ws").replace(/\/$/, "")}/mqtt`;
    const filter = `${given.view_key}/${given.view_token}/attributes`;
    const told = (_, bytes) => show(JSON.parse(new TextDecoder().decode(bytes)).attributes);
    stopListening = listen(url, given.view_key, given.view_secret, [filter], told, say);
  } else {
    polling = setInterval(async () => show(await device.attributes().catch((error) => (say(error.message), {}))), POLL_MS);
  }
});

on("push", async ({ name, value }) => {
  await device.push({ [name]: JSON.parse(value) });
  show(await device.attributes());
  return "pushed";
});

on("command", async ({ method, params }) => {
  const reply = await device.call(method, JSON.parse(params));
  show(await device.attributes());
  return `replied: ${JSON.stringify(reply.params)}`;
});
