// Loads the scripts of examples/panel as the page does, and does what the test asks for:
// node panel.js FOLDER URL ACCESS_TOKEN PROJECT_KEY VIEW_KEY VIEW_SECRET. One line of JSON for each thing that happens.

const fs = require("node:fs");
const path = require("node:path");
const vm = require("node:vm");

const [folder, url, accessToken, projectKey, viewKey, viewSecret] = process.argv.slice(2);
for (const name of ["device.js", "mqtt.js"]) {
  vm.runInThisContext(fs.readFileSync(path.join(folder, name), "utf8"), name);
}

function tell(what, value) {
  console.log(JSON.stringify([what, value]));
}

async function main() {
  const device = new Device(url, accessToken, projectKey);
  const stop = listen(
    `${url.replace("http", "ws")}/mqtt`,
    viewKey,
    viewSecret,
    [`${viewKey}/+/attributes`],
    (topic, bytes) => tell("told", [topic.split("/")[2], JSON.parse(new TextDecoder().decode(bytes)).attributes]),
    async (state) => {
      tell("state", state);
      if (state === "subscribed") {
        await device.push({ relay: true, note: "温".repeat(200) });
        tell("values", await device.attributes());
        tell("refused", await device.call("toggle", {}).catch((error) => error.message));
        setTimeout(() => (stop(), process.exit(0)), 300);
      }
    },
  );
}

main();
