// Live values: an application subscription (docs/app-subscription.md) over MQTT on a WebSocket.
import * as mqtt from "./packets.js";

const KEEP_ALIVE_S = 60;
const OPEN_MS = 15_000; // for connecting and logging in
const FIRST_PAUSE_MS = 500;
const LONGEST_PAUSE_MS = 60_000;
const decoder = new TextDecoder();

/**
 * Listens to messages about devices until `close()` of what it returns is called. It comes back by itself when the
 * connection is lost.
 *
 * - `url`: `wss://things.example.com/mqtt`.
 * - `credentials`: `{ view_key, token }`, as `POST /api/v1/scoped_token` answers them, or a function that returns them or a
 *   promise of them, and is called for each connection: so a token is renewed. The `token` may be a ProjectViewSecret, in
 *   Node.js only.
 * - `filters`: topic filters after the ProjectViewKey, `["+/attributes"]`.
 * - `onNotice({ kind, viewToken, payload, body })`; the kind is the topic after the device, or `gap`: the connection is back,
 *   and messages in between were missed.
 * - `onState(state, detail)`: `connecting`, `live`, `lost` (comes back), `refused` (credentials; comes back if they are a
 *   function), `closed`.
 */
export function subscribe(options) {
  return new Subscription(options);
}

class Subscription {
  #url;
  #credentials;
  #filters;
  #onNotice;
  #onState;
  #WebSocket;
  #socket = null;
  #timer; // of the next attempt, or of the present one
  #beat;
  #pause = FIRST_PAUSE_MS;
  #wasLive = false;
  #closed = false;
  #state = "";

  constructor({ url, credentials, filters, onNotice, onState = () => {}, WebSocket = globalThis.WebSocket }) {
    if (WebSocket === undefined) throw new TypeError("no WebSocket: use Node.js 22, or give one as an option");
    this.#url = url;
    this.#credentials = credentials;
    this.#filters = [...filters];
    this.#onNotice = onNotice;
    this.#onState = onState;
    this.#WebSocket = WebSocket;
    void this.#open();
  }

  /** Ends the subscription. Nothing is called afterwards, except `onState("closed")`. */
  close() {
    this.#end("closed");
  }

  async #open() {
    this.#tell("connecting");
    let credentials;
    try {
      credentials = await (typeof this.#credentials === "function" ? this.#credentials() : this.#credentials);
    } catch (error) {
      this.#lost(null, `no credentials: ${error.message}`);
      return;
    }
    if (this.#closed) return;
    const { view_key: viewKey, token } = credentials;
    const socket = new this.#WebSocket(this.#url, "mqtt");
    const reader = new mqtt.Reader();
    this.#socket = socket;
    socket.binaryType = "arraybuffer";
    socket.onopen = () => socket.send(mqtt.connect(viewKey, token, KEEP_ALIVE_S));
    socket.onclose = () => this.#lost(socket, "the connection was closed");
    socket.onerror = () => {}; // onclose follows
    let heard = true;
    socket.onmessage = ({ data }) => {
      if (this.#socket !== socket) return;
      heard = true;
      try {
        for (const packet of reader.read(new Uint8Array(data))) this.#take(packet, socket, viewKey);
      } catch (error) {
        if (!(error instanceof RangeError)) throw error;
        this.#lost(socket, error.message);
      }
    };
    this.#timer = setTimeout(() => this.#lost(socket, "the server does not answer"), OPEN_MS);
    this.#beat = setInterval(() => {
      if (!heard) this.#lost(socket, "the server does not answer");
      else if (socket.readyState === 1) {
        heard = false;
        socket.send(mqtt.PINGREQ);
      }
    }, KEEP_ALIVE_S * 500);
  }

  #take(packet, socket, viewKey) {
    if (this.#socket !== socket) return; // closed by a callback
    if (packet.type === "connack" && packet.code !== 0) this.#refused(socket, packet.code);
    else if (packet.type === "connack") {
      socket.send(mqtt.subscribe(1, this.#filters.map((filter) => `${viewKey}/${filter}`)));
    } else if (packet.type === "suback") {
      clearTimeout(this.#timer);
      this.#pause = FIRST_PAUSE_MS;
      const refused = this.#filters.filter((_, index) => packet.codes[index] === 128);
      this.#tell("live", refused.length > 0 ? `refused: ${refused.join(", ")}` : "");
      if (this.#wasLive && this.#socket === socket) this.#onNotice(notice("gap", "", new Uint8Array(0)));
      this.#wasLive = true;
    } else if (packet.type === "publish") {
      const [, viewToken, ...kind] = packet.topic.split("/");
      this.#onNotice(notice(kind.join("/"), viewToken, packet.payload));
    }
  }

  #refused(socket, code) {
    const why = `the server refused the credentials with code ${code}`;
    // Code 3: it cannot log anybody in now. Otherwise others are needed.
    if (code === 3 || typeof this.#credentials === "function") {
      if (code !== 3) this.#tell("refused", why);
      this.#lost(socket, why);
    } else this.#end("refused", why);
  }

  #lost(socket, why) {
    if (this.#closed || this.#socket !== socket) return;
    this.#drop();
    this.#tell("lost", why);
    if (this.#closed) return;
    this.#timer = setTimeout(() => void this.#open(), this.#pause * (0.5 + Math.random()));
    this.#pause = Math.min(2 * this.#pause, LONGEST_PAUSE_MS);
  }

  #end(state, why) {
    if (this.#closed) return;
    this.#closed = true;
    this.#drop();
    this.#tell(state, why);
  }

  #drop() {
    clearTimeout(this.#timer);
    clearInterval(this.#beat);
    const socket = this.#socket;
    this.#socket = null;
    if (socket?.readyState === 1) socket.send(mqtt.DISCONNECT);
    socket?.close();
  }

  #tell(state, detail = "") {
    if (state === this.#state && !detail) return;
    this.#state = state;
    this.#onState(state, detail);
  }
}

function notice(kind, viewToken, payload) {
  return {
    kind,
    viewToken,
    payload,
    /** The payload decoded from JSON; custom data may not be JSON: then it throws SyntaxError. */
    get body() {
      return payload.length > 0 ? JSON.parse(decoder.decode(payload)) : null;
    },
  };
}
