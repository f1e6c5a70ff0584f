import type { Role } from "@/api/session"

export interface PersonItem {
  id: string
  account: string
  name: string
  email: string
  tags: Record<string, string>
  role: Role
  create_time: number
  last_login_at: number
  version: number
}

const ALPHABET = "ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnpqrstuvwxyz23456789"
const CHARACTERS = 16

/** A password of letters and digits that are not taken for one another. */
export function drawPassword(): string {
  let drawn = ""
  while (drawn.length < CHARACTERS) {
    // What is beyond the last whole multiple of the alphabet would make some characters likelier.
    for (const byte of crypto.getRandomValues(new Uint8Array(CHARACTERS)))
      if (byte < 256 - (256 % ALPHABET.length) && drawn.length < CHARACTERS) drawn += ALPHABET[byte % ALPHABET.length]
  }
  return drawn
}
