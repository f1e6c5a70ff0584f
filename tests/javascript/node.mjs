// Arguments: one JSON object with the arguments of use(), and device: { access_token, project_key }.
import { use } from "./use.mjs";

const given = JSON.parse(process.argv[2]);
const report = (attributes) =>
  fetch(`${given.url}/device/v1/${given.device.access_token}/attributes`, {
    method: "POST",
    headers: { "Project-Key": given.device.project_key },
    body: JSON.stringify(attributes),
  });
console.log(JSON.stringify(await use({ ...given, report })));
process.exit(0);
