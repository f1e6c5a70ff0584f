import { createApp } from "vue"
import App from "@/app/App.vue"
import { openSession } from "@/api/session"
import { loadWords } from "@/i18n"
import { fetchAhead, router } from "@/router"
import "@/styles/tokens.css"
import "@/styles/base.css"
import "@/styles/controls.css"

// Nothing is shown without words, and no page before it is known whose it is; a far server is asked for all at once. One
// that cannot be reached is told by the log-in page.
await Promise.all([loadWords("core").catch(() => {}), openSession(fetchAhead).catch(() => {})])
createApp(App).use(router).mount("#app") // the router asks for the session at once
