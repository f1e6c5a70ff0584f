import { fileURLToPath } from "node:url"
import vue from "@vitejs/plugin-vue"
import { defineConfig } from "vite"
import { licenses } from "./tools/licenses.js"
import { words } from "./tools/words.js"

const root = fileURLToPath(new URL(".", import.meta.url))
// `script/console dev` names the server whose API the pages call.
const server = process.env.THINGSTEAD_URL ?? "http://127.0.0.1:8080"

/** Chunks of their own for what changes only with a new version, so that a release of ours leaves them in caches. */
const chunks = [
  { name: "vue", test: /node_modules[\\/](@vue|vue|vue-router)[\\/]/ },
  { name: "uplot", test: /node_modules[\\/]uplot[\\/]/ },
  {
    name: "reka",
    test: /node_modules[\\/](reka-ui|@floating-ui|@vueuse|@internationalized|aria-hidden|ohash|defu)[\\/]/,
  },
  // What every page needs, the log-in too, in one piece. What only others need stays out of it: its budget is small.
  {
    name: "base",
    test: /src[\\/](api|i18n)[\\/]|src[\\/]lib[\\/](action|confirm|preferences|time|toasts)\.|src[\\/]ui[\\/](Form|Modal)\w+\.vue|plugin-vue|src[\\/]router|lucide[\\/]vue[\\/]dist[\\/]esm[\\/](icons[\\/](circle-check|eye|eye-off|languages|triangle-alert|x)\.|\w+\.mjs)/,
  },
  { name: "inner", test: /src[\\/](lib|live|table)[\\/]|clients[\\/]javascript[\\/]/ },
  // Small things that several pages show: each file more is a request more, which is dear where the server is far.
  { name: "shared", test: /src[\\/]ui[\\/]|lucide[\\/]vue[\\/]dist[\\/]esm[\\/]icons[\\/]/, minShareCount: 2 },
]

export default defineConfig({
  root,
  base: "/console/",
  plugins: [vue(), words(root), licenses(root)],
  resolve: {
    alias: { "@": `${root}src`, "@words": `${root}words` },
  },
  define: {
    __VUE_OPTIONS_API__: "false",
    __VUE_PROD_DEVTOOLS__: "false",
    __VUE_PROD_HYDRATION_MISMATCH_DETAILS__: "false",
  },
  build: {
    target: "es2022",
    outDir: process.env.CONSOLE_OUT ?? `${root}../src/thingstead/console/static`,
    emptyOutDir: true,
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false },
    reportCompressedSize: false,
    rolldownOptions: { checks: { pluginTimings: false }, output: { codeSplitting: { groups: chunks } } },
  },
  server: {
    proxy: {
      "/api": { target: server },
      "/console/words/codes.zh.json": { target: server },
      "/console/words/codes.en.json": { target: server },
      "/mqtt": { target: server, ws: true },
    },
  },
  test: {
    environment: "happy-dom",
    testTimeout: 60_000, // against hanging alone: machines are busy
    include: ["tests/**/*.test.ts"],
    setupFiles: ["tests/setup.ts"],
    restoreMocks: true,
  },
})
