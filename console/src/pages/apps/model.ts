import type { Role } from "@/api/session"

export interface AppItem {
  id: string
  name: string
  access_key: string
  create_time: number
  role: Role
  version: number
}

/** What an application calls the API with. The SecretKey is told once. */
export interface AppKeys {
  id: string
  name: string
  access_key: string
  secret_key: string
}
