// A client on MQTT.js. Arguments: address, connect options, filters, and messages to publish, as JSON; the number of
// messages to wait for. Prints what the broker granted and what arrived, as one JSON object.
const mqtt = require("mqtt");

const [address, options, filters, messages, count] = process.argv.slice(2);
const client = mqtt.connect(address, { reconnectPeriod: 0, ...JSON.parse(options) });
const result = { granted: [], received: [] };

function fail(reason) {
  console.error(String(reason));
  process.exit(1);
}

function finish() {
  if (result.received.length >= Number(count)) {
    console.log(JSON.stringify(result));
    client.end(false, () => process.exit(0));
  }
}

client.on("error", fail);
client.on("close", () => fail("the connection was closed"));
client.on("message", (topic, payload) => {
  result.received.push([topic, payload.toString()]);
  finish();
});
client.on("connect", () => {
  client.removeAllListeners("close");
  client.subscribe(JSON.parse(filters), { qos: 1 }, (error, granted) => {
    if (error && !granted) fail(error);
    result.granted = granted.map((each) => [each.topic, each.qos]);
    console.error("subscribed");
    for (const [topic, payload] of JSON.parse(messages)) {
      client.publish(topic, payload, { qos: 1 }, (refusal) => refusal && fail(refusal));
    }
    finish();
  });
});
setTimeout(() => fail("nothing more came"), 20000);
