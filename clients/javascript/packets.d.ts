export type Packet =
  | { type: "connack"; code: number }
  | { type: "suback"; id: number; codes: readonly number[] }
  | { type: "publish"; topic: string; payload: Uint8Array }
  | { type: "pingresp" }
  | { type: "other" };

export function connect(userName: string, password: string | null, keepAliveS: number): Uint8Array<ArrayBuffer>;
export function subscribe(id: number, filters: readonly string[]): Uint8Array<ArrayBuffer>;
export function unsubscribe(id: number, filters: readonly string[]): Uint8Array<ArrayBuffer>;
export const PINGREQ: Uint8Array<ArrayBuffer>;
export const DISCONNECT: Uint8Array<ArrayBuffer>;
export class Reader {
  read(chunk: Uint8Array): Packet[];
}
export function matches(filter: string, topic: string): boolean;
