// Holds the budgets of the output: bytes with gzip of what a page needs before it can be used, and of all of it.
import { readdirSync, readFileSync } from "node:fs"
import { join } from "node:path"
import { gzipSync } from "node:zlib"

const output = process.argv[2]
const KB = 1000
const BUDGETS = { LoginPage: 61 * KB, DevicesPage: 150 * KB, DevicePage: 200 * KB, all: 800 * KB }
const sizes = new Map()
for (const entry of readdirSync(output, { recursive: true, withFileTypes: true }))
  if (entry.isFile()) {
    const path = join(entry.parentPath, entry.name)
    sizes.set(path.slice(output.length + 1), gzipSync(readFileSync(path), { level: 9 }).length)
  }

const text = (file) => readFileSync(join(output, file), "utf-8")
const files = [...sizes.keys()]
const chunk = (name) => files.filter((file) => new RegExp(`^assets/${name}-[\\w-]{8}\\.(js|css)$`).test(file))

/** The files of a chunk with all that it imports before it runs; not what it fetches later. */
function closure(starts) {
  const found = new Set()
  const waiting = [...starts]
  while (waiting.length > 0) {
    const file = waiting.pop()
    if (found.has(file)) continue
    found.add(file)
    if (!file.endsWith(".js")) continue
    for (const [, name] of text(file).matchAll(/(?:from|import)\s?["']\.\/([\w.-]+)["']/g))
      waiting.push(`assets/${name}`)
    // Styles are named where a chunk is fetched from; they carry the name of their chunk.
    const style = file.replace(/^(.*)-[\w-]{8}\.js$/, "$1")
    waiting.push(...files.filter((one) => one.endsWith(".css") && one.replace(/-[\w-]{8}\.css$/, "") === style))
  }
  return found
}

const index = [...text("index.html").matchAll(/(?:src|href)="\/console\/([^"]+)"/g)].map((match) => match[1])
/** The words of a chunk, in the language that needs more. */
const words = (name) => {
  const both = ["zh", "en"].map((language) => `words/${name}.${language}.json`).filter((file) => sizes.has(file))
  return both.sort((a, b) => sizes.get(b) - sizes.get(a)).slice(0, 1)
}
const first = ["index.html", ...words("core"), ...index]
const shell = [...first, ...chunk("AppShell"), ...words("app/AppShell")]
const pages = {
  LoginPage: [...first, ...chunk("LoginPage"), ...words("pages/LoginPage")],
  DevicesPage: [...shell, ...chunk("DevicesPage"), ...words("pages/DevicesPage")],
  DevicePage: [...shell, ...chunk("DevicePage"), ...words("pages/device/DevicePage")],
}
pages.DevicePage.push(...chunk("SummaryTab"), ...words("pages/device/SummaryTab"), ...chunk("TimeChart"))

let failed = false
function hold(name, names) {
  const bytes = [...names].reduce((sum, file) => sum + (sizes.get(file) ?? 0), 0)
  failed ||= bytes > BUDGETS[name]
  console.log(`${name}: ${(bytes / KB).toFixed(1)} of ${BUDGETS[name] / KB} kB with gzip, ${[...names].length} files`)
}
for (const [name, starts] of Object.entries(pages)) hold(name, closure(starts))
hold("all", files)
if (failed) console.error("script/console: a budget is exceeded")
process.exit(failed ? 1 : 0)
