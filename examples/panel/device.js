// One device by the application plane: fetch, with the device's certificate. For browsers and for Node.js.

class Device {
  constructor(url, accessToken, projectKey) {
    this.root = `${url.replace(/\/$/, "")}/app/device/v1/${encodeURIComponent(accessToken)}`;
    this.headers = { "Project-Key": projectKey };
  }

  // The current values by identifier.
  async attributes() {
    return (await this.ask("GET", "attributes")).attributes;
  }

  // Stores values, and sends them to the device if it is connected.
  async push(values) {
    await this.ask("POST", "attributes", values);
  }

  // Sends a command and waits for the device's reply.
  async call(method, params, timeout = 10) {
    return (await this.ask("POST", "command/sync/send", { method, params, timeout })).reply;
  }

  async ask(method, path, body) {
    const headers = body === undefined ? this.headers : { ...this.headers, "Content-Type": "application/json" };
    const response = await fetch(`${this.root}/${path}`, { method, headers, body: body && JSON.stringify(body) });
    const answer = await response.json();
    if (answer.result !== 1) throw new Error(`${answer.errcode ?? response.status}: ${answer.message}`);
    return answer;
  }
}

globalThis.Device = Device;
