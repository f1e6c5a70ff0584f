/** What the command palette offers: pages by their names in both languages, what the server finds, actions, recent ones. */
import { shallowRef } from "vue"
import type { Router } from "vue-router"
import { get } from "@/api/client"
import { may } from "@/api/session"
import { language, t, type Word } from "@/i18n"
import { keysShown } from "@/lib/keys"
import { pageActions } from "@/lib/pageActions"
import { preferences } from "@/lib/preferences"
import { blocks } from "./navigation"

/** Whether it is open. */
export const paletteShown = shallowRef(false)
export const paletteKey = /Mac|iPhone|iPad/.test(navigator.userAgent) ? "⌘ K" : "Ctrl K"

document.addEventListener("keydown", (event) => {
  if (event.key.toLowerCase() !== "k" || !(event.ctrlKey || event.metaKey) || event.altKey || event.shiftKey) return
  if (!paletteShown.value && document.querySelector("dialog[open]")) return
  event.preventDefault()
  paletteShown.value = !paletteShown.value
})

export interface Item {
  key: string
  section: Word
  label: string
  detail?: string
  to?: string
  run?: () => void
}

interface Page {
  to: string
  word: Word
}
/** Further words by which pages are found, in both languages. */
const ALIASES: Record<string, string> = {
  "/": "overview home dashboard 概要 首页 gaiyao",
  "/devices": "devices things 设备 shebei",
  "/types": "types models products 设备类型 产品 物模型 leixing",
  "/groups": "groups 设备组 分组 fenzu",
  "/customers": "customers users 用户 客户 yonghu",
  "/alarms": "alarms alerts 告警 报警 gaojing",
  "/alarm-rules": "alarm rules 告警规则 guize",
  "/notify": "notify notifications 通知组 通知 tongzhi",
  "/apps": "apps applications keys 项目应用 应用 密钥 yingyong",
  "/people": "people administrators members 项目成员 管理员 chengyuan",
  "/audit": "audit log 操作日志 审计 rizhi",
  "/settings": "settings project retention 设置 项目 shezhi",
  "/account": "account password time zone 账号 密码 时区 zhanghao",
  "/licenses": "licenses 许可 xuke",
}
const OTHER_PAGES: readonly Page[] = [
  { to: "/account", word: "account.title" },
  { to: "/licenses", word: "shell.licenses" },
]

/** Whether all parts of what is wanted, in small letters, are in the texts. */
export function matches(wanted: string, ...texts: string[]): boolean {
  const all = texts.join(" ").toLowerCase()
  return wanted.split(/\s+/).every((part) => all.includes(part))
}

export function pagesFor(text: string): Item[] {
  const wanted = text.trim().toLowerCase()
  return [...blocks.flat(), ...OTHER_PAGES]
    .filter(({ to, word }) => matches(wanted, t(word), ALIASES[to] ?? ""))
    .map(({ to, word }) => ({ key: `page ${to}`, section: "palette.pages", label: t(word), to }))
}

export function actionsFor(text: string): Item[] {
  const dark = document.documentElement.dataset.theme === "dark"
  const all: (Omit<Item, "section"> & { aliases: string })[] = [
    ...pageActions(),
    ...(may("operator")
      ? [
          {
            key: "new",
            label: t("palette.newDevice"),
            to: "/start",
            aliases: "new create add device 新建 添加 接入 设备",
          },
        ]
      : []),
    {
      key: "language",
      label: t("palette.language"),
      aliases: "language 语言 chinese english 中文",
      run: () => (preferences.language = language.value === "zh" ? "en" : "zh"),
    },
    {
      key: "theme",
      label: t(dark ? "palette.light" : "palette.dark"),
      aliases: "theme dark light 主题 深色 浅色",
      run: () => (preferences.theme = dark ? "light" : "dark"),
    },
    { key: "keys", label: t("shell.keys"), aliases: "keys shortcuts 快捷键", run: () => (keysShown.value = true) },
  ]
  const wanted = text.trim().toLowerCase()
  return all
    .filter(({ label, aliases }) => matches(wanted, label, aliases))
    .map(({ key, label, to, run }) => ({ key, label, to, run, section: "palette.actions" as const }))
}

type Kind = "device" | "type" | "group" | "customer" | "alarm_rule" | "notify_group"
interface Found {
  found: { kind: Kind; total: number; items: { id: string; name: string; detail?: string }[] }[]
}
const WORDS: Record<Kind, Word> = {
  device: "palette.device",
  type: "palette.type",
  group: "palette.group",
  customer: "palette.customer",
  alarm_rule: "palette.alarm_rule",
  notify_group: "palette.notify_group",
}
/** Where something of a kind is shown: the first of these that is a page. */
const PLACES: Record<Kind, (id: string) => string[]> = {
  device: (id) => [`/devices/${id}/summary`],
  type: (id) => [`/types/${id}`, `/devices?type=${id}`],
  group: (id) => [`/devices?group=${id}`],
  customer: (id) => [`/customers/${id}`, `/devices?customer=${id}`],
  alarm_rule: (id) => [`/alarm-rules/${id}`],
  notify_group: (id) => [`/notify/${id}`, "/notify"],
}

export async function search(router: Router, text: string, signal: AbortSignal): Promise<Item[]> {
  const { found } = await get<Found>("/search", { q: text.trim() }, signal)
  const items: Item[] = []
  for (const { kind, total, items: things } of found) {
    for (const { id, name, detail } of things) {
      const to = PLACES[kind](encodeURIComponent(id)).find((place) => router.resolve(place).name !== "unknown")
      if (to) items.push({ key: `${kind} ${id}`, section: WORDS[kind], label: name, detail, to })
    }
    if (kind === "device" && total > things.length)
      items.push({
        key: "all devices",
        section: WORDS.device,
        label: t("palette.allDevices", { count: total }),
        to: `/devices?keyword=${encodeURIComponent(text.trim())}`,
      })
  }
  return items
}

const RECENT = 5
interface Recent {
  to: string
  label: string
}
export function recentItems(): Item[] {
  const kept = preferences.pages.recent
  const found = Array.isArray(kept) ? (kept as Partial<Recent>[]) : []
  return found.flatMap(({ to, label }) =>
    typeof to === "string" && to.startsWith("/") && typeof label === "string"
      ? [{ key: `recent ${to}`, section: "palette.recent" as const, label, to }]
      : [],
  )
}
export function noteRecent({ to, label }: Item): void {
  if (!to) return
  const others = recentItems().filter((item) => item.to !== to)
  const next = [{ to, label }, ...others.map((item) => ({ to: item.to, label: item.label }))]
  preferences.pages.recent = next.slice(0, RECENT)
}
