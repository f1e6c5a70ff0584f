import decodeQR from "qr/decode.js"
import { expect, test } from "vitest"
import { devicePayload, qrPicture } from "@/qr/picture"

const SCALE = 4 // pixels a module

/** What a reader that is not ours makes of the picture as it is drawn. */
function read(text: string): string {
  const { size, path } = qrPicture(text)
  const width = size * SCALE
  const data = new Uint8Array(width * width * 4).fill(255)
  for (const [, x, y, run] of path.matchAll(/M(\d+) (\d+)h(\d+)v1h-\d+z/g))
    for (let down = 0; down < SCALE; down += 1)
      for (let right = 0; right < Number(run) * SCALE; right += 1) {
        const at = ((Number(y) * SCALE + down) * width + Number(x) * SCALE + right) * 4
        data.fill(0, at, at + 3)
      }
  return decodeQR({ width, height: width, data })
}

test("a reader finds in the code of a device what the official tools write into theirs", () => {
  expect(read(devicePayload("a1b2c3d4"))).toBe('{"device_code": "a1b2c3d4"}')
  expect(read(devicePayload('"温室" \\ 1'))).toBe('{"device_code": "\\"温室\\" \\\\ 1"}')
})
