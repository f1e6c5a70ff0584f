import { createApp } from "vue"
import App from "@/app/App.vue"
import { openSession } from "@/api/session"
import { loadWords } from "@/i18n"
import { router } from "@/router"
import "@/styles/tokens.css"
import "@/styles/base.css"
import "@/styles/controls.css"

// The words first, so that nothing is shown without them. A server that cannot be reached is told by the log-in page.
await loadWords("core").catch(() => {})
await openSession().catch(() => {})
createApp(App).use(router).mount("#app") // the router asks for the session at once
