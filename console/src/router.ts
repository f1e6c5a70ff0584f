/** Every page of the console. Pages are fetched when they are first opened. */
import { createRouter, createWebHistory, type RouteLocationNormalized, type RouteRecordRaw } from "vue-router"
import { Unreachable } from "@/api/errors"
import { session } from "@/api/session"
import { language, loadWords, t, type Word } from "@/i18n"
import { toastFailed } from "@/lib/toasts"
import { ref, watch } from "vue"

declare module "vue-router" {
  interface RouteMeta {
    title?: Word
    public?: boolean
  }
}

const device: RouteRecordRaw[] = [
  { path: "", name: "device", redirect: (to) => ({ name: "device-summary", params: to.params }) },
  { path: "summary", name: "device-summary", component: () => import("@/pages/device/SummaryTab.vue") },
  { path: "attributes", name: "device-attributes", component: () => import("@/pages/device/AttributesTab.vue") },
  { path: "events", name: "device-events", component: () => import("@/pages/device/EventsTab.vue") },
  { path: "commands", name: "device-commands", component: () => import("@/pages/device/CommandsTab.vue") },
  { path: "debug", name: "device-debug", component: () => import("@/pages/device/DebugTab.vue") },
  { path: "connection", name: "device-connection", component: () => import("@/pages/device/ConnectionTab.vue") },
  { path: "sub-devices", name: "device-sub-devices", component: () => import("@/pages/device/SubDevicesTab.vue") },
  { path: "alarms", name: "device-alarms", component: () => import("@/pages/device/AlarmsTab.vue") },
  { path: "automation", name: "device-automation", component: () => import("@/pages/device/AutomationTab.vue") },
  { path: "settings", name: "device-settings", component: () => import("@/pages/device/SettingsTab.vue") },
]

const settings: RouteRecordRaw[] = [
  { path: "", name: "settings", redirect: { name: "settings-project" } },
  { path: "project", name: "settings-project", component: () => import("@/pages/project/ProjectTab.vue") },
  { path: "keys", name: "settings-keys", component: () => import("@/pages/project/KeysTab.vue") },
  { path: "retention", name: "settings-retention", component: () => import("@/pages/project/RetentionTab.vue") },
  { path: "server", name: "settings-server", component: () => import("@/pages/project/ServerTab.vue") },
]

const inside: RouteRecordRaw[] = [
  {
    path: "",
    name: "overview",
    component: () => import("@/pages/OverviewPage.vue"),
    meta: { title: "overview.title" },
  },
  { path: "start", name: "start", component: () => import("@/pages/StartPage.vue"), meta: { title: "start.title" } },
  {
    path: "devices",
    name: "devices",
    component: () => import("@/pages/DevicesPage.vue"),
    meta: { title: "devices.title" },
  },
  {
    path: "devices/:id",
    component: () => import("@/pages/device/DevicePage.vue"),
    meta: { title: "devices.title" },
    children: device,
  },
  {
    path: "groups",
    name: "groups",
    component: () => import("@/pages/GroupsPage.vue"),
    meta: { title: "groups.title" },
  },
  {
    path: "customers",
    name: "customers",
    component: () => import("@/pages/CustomersPage.vue"),
    meta: { title: "customers.title" },
  },
  {
    path: "customers/:id",
    name: "customer",
    component: () => import("@/pages/customers/CustomerPage.vue"),
    meta: { title: "customers.title" },
  },
  {
    path: "alarms/:id?",
    name: "alarms",
    component: () => import("@/pages/AlarmsPage.vue"),
    meta: { title: "alarms.title" },
  },
  {
    path: "types",
    name: "types",
    component: () => import("@/pages/TypesPage.vue"),
    meta: { title: "types.title" },
  },
  { path: "types/:id", redirect: (to) => ({ name: "type", params: { ...to.params, part: "attributes" } }) },
  {
    path: "types/:id/:part(attributes|events|commands|streams|modbus|settings)",
    name: "type",
    component: () => import("@/pages/type/TypePage.vue"),
    meta: { title: "types.title" },
  },
  { path: "apps", name: "apps", component: () => import("@/pages/AppsPage.vue"), meta: { title: "apps.title" } },
  {
    path: "people",
    name: "people",
    component: () => import("@/pages/PeoplePage.vue"),
    meta: { title: "people.title" },
  },
  { path: "audit", name: "audit", component: () => import("@/pages/AuditPage.vue"), meta: { title: "audit.title" } },
  {
    path: "settings",
    component: () => import("@/pages/project/SettingsPage.vue"),
    meta: { title: "project.title" },
    children: settings,
  },
  {
    path: "alarm-rules",
    name: "alarm-rules",
    component: () => import("@/pages/AlarmRulesPage.vue"),
    meta: { title: "rules.title" },
  },
  {
    path: "alarm-rules/:id",
    name: "alarm-rule",
    component: () => import("@/pages/AlarmRulePage.vue"),
    meta: { title: "rules.title" },
  },
  {
    path: "message-rules",
    name: "message-rules",
    component: () => import("@/pages/MessageRulesPage.vue"),
    meta: { title: "messageRules.title" },
  },
  {
    path: "message-rules/:id",
    name: "message-rule",
    component: () => import("@/pages/MessageRulePage.vue"),
    meta: { title: "messageRules.title" },
  },
  { path: "tasks", name: "tasks", component: () => import("@/pages/TasksPage.vue"), meta: { title: "tasks.title" } },
  { path: "tasks/:id", name: "task", component: () => import("@/pages/TaskPage.vue"), meta: { title: "tasks.title" } },
  {
    path: "forwarding",
    name: "forwarding",
    component: () => import("@/pages/ForwardingPage.vue"),
    meta: { title: "forwarding.title" },
  },
  {
    path: "forwarding/:id",
    name: "forward-target",
    component: () => import("@/pages/ForwardTargetPage.vue"),
    meta: { title: "forwarding.title" },
  },
  { path: "ota", name: "ota", component: () => import("@/pages/OtaPage.vue"), meta: { title: "ota.title" } },
  {
    path: "ota/rollouts/:id",
    name: "ota-rollout",
    component: () => import("@/pages/OtaRolloutPage.vue"),
    meta: { title: "ota.title" },
  },
  {
    path: "ota/:id",
    name: "ota-version",
    component: () => import("@/pages/OtaVersionPage.vue"),
    meta: { title: "ota.title" },
  },
  {
    path: "notify",
    name: "notify",
    component: () => import("@/pages/NotifyPage.vue"),
    meta: { title: "notify.title" },
  },
  {
    path: "account",
    name: "account",
    component: () => import("@/pages/AccountPage.vue"),
    meta: { title: "account.title" },
  },
  {
    path: "licenses",
    name: "licenses",
    component: () => import("@/pages/LicensesPage.vue"),
    meta: { title: "shell.licenses" },
  },
  {
    path: ":rest(.*)*",
    name: "unknown",
    component: () => import("@/pages/UnknownPage.vue"),
    meta: { title: "state.unknownPage" },
  },
]

export const router = createRouter({
  history: createWebHistory(import.meta.env.BASE_URL),
  routes: [
    {
      path: "/login",
      name: "login",
      component: () => import("@/pages/LoginPage.vue"),
      meta: { title: "login.title", public: true },
    },
    { path: "/", component: () => import("@/app/AppShell.vue"), children: inside },
  ],
  scrollBehavior: (to, from, saved) => saved ?? (to.path === from.path ? false : { top: 0 }),
})

/** A path of the console to go to after the log-in; never an address elsewhere. */
export function wantedPath(to: RouteLocationNormalized): string {
  const wanted = to.query.then
  return typeof wanted === "string" && /^\/(?![/\\])/.test(wanted) ? wanted : "/"
}

router.beforeEach((to) => {
  if (!to.meta.public && !session.value) return { name: "login", query: to.path === "/" ? {} : { then: to.fullPath } }
  if (to.name === "login" && session.value) return wantedPath(to)
  // Without them refusals stand in the server's own words.
  if (!to.meta.public) loadWords("codes").catch(() => {})
  return true
})

/** Fetches the page of the address with its words, while the session is still being read. */
export function fetchAhead(): void {
  const { matched } = router.resolve(window.location.pathname.slice(import.meta.env.BASE_URL.length - 1))
  for (const { components } of matched) {
    const page = components?.default
    // What fails is fetched once more, and told, when the router asks for it.
    if (typeof page === "function") (page as () => Promise<unknown>)().catch(() => {})
  }
}

// A page could not be fetched. After a new version was installed the chunks that this tab knows are gone, and a reload
// brings the new ones; while the server is away a reload would lose the page that is open.
router.onError(async (error, to) => {
  const key = "thingstead.reloaded"
  try {
    const answer = await fetch(import.meta.env.BASE_URL, { cache: "no-store" })
    if (!answer.ok || sessionStorage.getItem(key) === to.fullPath) throw error
    sessionStorage.setItem(key, to.fullPath)
    window.location.assign(router.resolve(to).href)
  } catch {
    toastFailed(new Unreachable(String(error)))
  }
})
router.afterEach(() => sessionStorage.removeItem("thingstead.reloaded"))

/** What a page calls itself beyond its route, such as the name of a device; empty: the route's own title. */
export const pageTitle = ref("")

router.afterEach((to, from) => {
  if (to.path.split("/")[2] !== from.path.split("/")[2] || to.name === "unknown") pageTitle.value = ""
})

/** A number in front of the title of the tab, such as that of alarms; 0: none. */
export const titleCount = ref(0)

watch([router.currentRoute, pageTitle, language, titleCount], ([route, own, , count]) => {
  const title = own || (route.meta.title ? t(route.meta.title) : "")
  const name = title ? `${title} · Thingstead` : "Thingstead"
  document.title = count > 0 && !route.meta.public ? `(${count}) ${name}` : name
})
