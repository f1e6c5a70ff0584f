// As much MQTT 3.1.1 as it takes to listen: CONNECT, SUBSCRIBE and PINGREQ out, PUBLISH at QoS 0 in, over a WebSocket.
// For browsers and for Node.js. To do more, use MQTT.js.

const KEEP_ALIVE_S = 60;

function text(value) {
  const bytes = new TextEncoder().encode(value);
  return [bytes.length >> 8, bytes.length & 255, ...bytes];
}

function packet(firstByte, body) {
  const length = [];
  let rest = body.length;
  do {
    length.push((rest & 127) | (rest > 127 ? 128 : 0));
    rest >>= 7;
  } while (rest);
  return new Uint8Array([firstByte, ...length, ...body]);
}

// The packets that are complete in `bytes`: [{ type, body }], and what is left of it.
function parse(bytes) {
  const packets = [];
  let at = 0;
  for (;;) {
    let length = 0;
    let size = 1;
    let shift = 0;
    do {
      if (at + size >= bytes.length) return { packets, rest: bytes.slice(at) };
      length |= (bytes[at + size] & 127) << shift;
      shift += 7;
    } while (bytes[at + size++] & 128);
    const end = at + size + length;
    if (end > bytes.length) return { packets, rest: bytes.slice(at) };
    packets.push({ type: bytes[at] >> 4, body: bytes.slice(at + size, end) });
    at = end;
  }
}

// Calls message(topic, bytes) for all that is published to the filters, and state(text) when something changes.
// Comes back by itself when the connection is lost. Returns a function that ends it.
function listen(url, userName, password, filters, message, state = () => {}) {
  let socket;
  let pinging;
  let pause = 500;
  let ended = false;

  function open() {
    let received = new Uint8Array();
    socket = new WebSocket(url, "mqtt");
    socket.binaryType = "arraybuffer";
    socket.onopen = () => {
      const flags = 0b11000010; // user name, password, clean session
      const header = [...text("MQTT"), 4, flags, KEEP_ALIVE_S >> 8, KEEP_ALIVE_S & 255];
      socket.send(packet(0x10, [...header, ...text(""), ...text(userName), ...text(password)]));
    };
    socket.onmessage = (event) => {
      const { packets, rest } = parse(new Uint8Array([...received, ...new Uint8Array(event.data)]));
      received = rest;
      packets.forEach(take);
    };
    socket.onclose = () => {
      clearInterval(pinging);
      if (ended) return;
      state("connection lost");
      setTimeout(() => ended || open(), pause * (0.5 + Math.random()));
      pause = Math.min(2 * pause, 60_000);
    };
  }

  function take({ type, body }) {
    if (type === 2 && body[1] !== 0) {
      ended = true;
      socket.close();
      state(`refused with code ${body[1]}`);
    } else if (type === 2) {
      socket.send(packet(0x82, [0, 1, ...filters.flatMap((filter) => [...text(filter), 0])]));
      pinging = setInterval(() => socket.send(packet(0xc0, [])), KEEP_ALIVE_S * 500);
      pause = 500;
    } else if (type === 9) {
      state(body.includes(128, 2) ? "a filter was refused" : "subscribed");
    } else if (type === 3) {
      const end = 2 + (body[0] << 8) + body[1];
      message(new TextDecoder().decode(body.slice(2, end)), body.slice(end));
    }
  }

  open();
  return () => {
    ended = true;
    clearInterval(pinging);
    socket.close();
  };
}

globalThis.listen = listen;
globalThis.parseMqtt = parse;
