/** QR codes of devices, as the official tools make them. */
import { encode } from "uqr"

const QUIET = 4 // modules of white around the code, as its standard asks

/** What the code of a device says. */
export const devicePayload = (code: string): string => `{"device_code": ${JSON.stringify(code)}}`

export interface QrPicture {
  /** Modules in a row, the white around it included. */
  size: number
  /** The dark modules as the path of an SVG, a run of them at a time. */
  path: string
}

export function qrPicture(text: string): QrPicture {
  const { data } = encode(text, { ecc: "M", border: 0 })
  const runs = data.flatMap((row, y) => {
    const found: string[] = []
    for (let x = 0; x < row.length; x += 1) {
      if (!row[x]) continue
      const from = x
      while (row[x + 1]) x += 1
      found.push(`M${from + QUIET} ${y + QUIET}h${x - from + 1}v1h-${x - from + 1}z`)
    }
    return found
  })
  return { size: data.length + 2 * QUIET, path: runs.join("") }
}
