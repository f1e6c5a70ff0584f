/** The entries of the side bar. An entry is added with its page. */
import {
  AppWindow,
  Bell,
  CalendarClock,
  Cpu,
  FolderTree,
  Forward,
  Gauge,
  HardDriveDownload,
  Megaphone,
  ScrollText,
  Settings,
  Shapes,
  SlidersHorizontal,
  UserCog,
  Users,
  Workflow,
} from "@lucide/vue"
import type { Component } from "vue"
import type { Role } from "@/api/session"
import type { Word } from "@/i18n"

export interface Entry {
  to: string
  icon: Component
  word: Word
  /** The names of routes in which the entry is the current one. */
  routes: readonly string[]
  /** Who may see it at all; everybody where it is left out. */
  role?: Role
}

export const blocks: readonly (readonly Entry[])[] = [
  [{ to: "/", icon: Gauge, word: "overview.title", routes: ["overview", "start"] }],
  [
    { to: "/devices", icon: Cpu, word: "devices.title", routes: ["devices", "device"] },
    { to: "/types", icon: Shapes, word: "types.title", routes: ["types", "type"] },
    { to: "/groups", icon: FolderTree, word: "groups.title", routes: ["groups"] },
    { to: "/customers", icon: Users, word: "customers.title", routes: ["customers", "customer"] },
  ],
  [
    { to: "/alarms", icon: Bell, word: "alarms.title", routes: ["alarms"] },
    { to: "/alarm-rules", icon: SlidersHorizontal, word: "rules.title", routes: ["alarm-rules", "alarm-rule"] },
    { to: "/notify", icon: Megaphone, word: "notify.title", routes: ["notify"] },
  ],
  [
    { to: "/message-rules", icon: Workflow, word: "messageRules.title", routes: ["message-rules", "message-rule"] },
    { to: "/tasks", icon: CalendarClock, word: "tasks.title", routes: ["tasks", "task"] },
    { to: "/ota", icon: HardDriveDownload, word: "ota.title", routes: ["ota"] },
    { to: "/forwarding", icon: Forward, word: "forwarding.title", routes: ["forwarding", "forward-target"] },
  ],
  [
    { to: "/apps", icon: AppWindow, word: "apps.title", routes: ["apps"], role: "admin" },
    { to: "/people", icon: UserCog, word: "people.title", routes: ["people"] },
    { to: "/audit", icon: ScrollText, word: "audit.title", routes: ["audit"], role: "admin" },
    { to: "/settings/project", icon: Settings, word: "project.title", routes: ["settings"] },
  ],
]

/** Whether an entry is the current one: `device` stands for all its tabs. */
export function isCurrent(entry: Entry, name: unknown): boolean {
  return typeof name === "string" && entry.routes.some((route) => name === route || name.startsWith(`${route}-`))
}
