import { existsSync, readdirSync, readFileSync } from "node:fs"
import { dirname, join, relative } from "node:path"

export const ROOT = dirname(import.meta.dirname)
export const LANGUAGES = ["zh", "en"]
export const SETS = ["core", "pages"]

const WORD = /["'`](\w+\.\w+)["'`]/g
const STATIC =
  /^\s*(?:import\s+(?!type\b)(?:[^"';]*?\sfrom\s+)?|export\s+(?!type\b)[^"';=()]*?\sfrom\s+)["']([^"']+)["']/gm
const DYNAMIC = /\bimport\(\s*["']([^"']+)["']\s*\)/g
// What is shown before the log-in, and the frame of all pages behind it: what they bring, no page brings again.
const FIRST = ["main.ts", "pages/LoginPage.vue"]
const SHELL = "app/AppShell.vue"

/** The words of one folder in one language: `{"devices.title": "Devices"}`, from words/<set>/<name>.json. */
export function wordsOf(root, set, language) {
  const folder = join(root, "words", set)
  const words = {}
  for (const file of readdirSync(folder).sort()) {
    const name = file.replace(/\.json$/, "")
    const entries = JSON.parse(readFileSync(join(folder, file), "utf-8"))
    for (const [key, texts] of Object.entries(entries)) words[`${name}.${key}`] = texts[language]
  }
  return words
}

/** The words that a text of sources names in full. */
export function wordsIn(text) {
  return [...text.matchAll(WORD)].map((match) => match[1])
}

/** The source file, relative to src/, that `from` names so; null for packages, styles and types of words. */
function resolve(root, from, name) {
  const base = name.startsWith("@/") ? join(root, "src", name.slice(2)) : name.startsWith(".") && join(from, "..", name)
  if (!base) return null
  const file = [base, `${base}.ts`, join(base, "index.ts")].find((one) => /\.(ts|vue)$/.test(one) && existsSync(one))
  return file ? relative(join(root, "src"), file).replaceAll("\\", "/") : null
}

/** Of every source file what it imports, what it fetches later, and the words it names. */
function readSources(root) {
  const found = new Map()
  for (const entry of readdirSync(join(root, "src"), { recursive: true, withFileTypes: true })) {
    if (!entry.isFile() || !/\.(ts|vue)$/.test(entry.name)) continue
    const path = join(entry.parentPath, entry.name)
    const text = readFileSync(path, "utf-8")
    const files = (pattern) => [...text.matchAll(pattern)].flatMap((match) => resolve(root, path, match[1]) ?? [])
    found.set(relative(join(root, "src"), path).replaceAll("\\", "/"), {
      imports: files(STATIC),
      later: files(DYNAMIC),
      words: wordsIn(text),
    })
  }
  return found
}

/** The words of files and of all that they import before they run. */
function wordsBehind(sources, starts) {
  const seen = new Set(starts)
  for (const file of seen) for (const one of sources.get(file)?.imports ?? []) seen.add(one)
  return new Set([...seen].flatMap((file) => sources.get(file)?.words ?? []))
}

const nameOf = (file) => file.replace(/\.\w+$/, "")

/**
 * The words that each chunk brings, by its name: `core`, which is loaded first, and each file that is fetched later
 * (`pages/DevicesPage`, `bulk/BulkDialog`), less what was there before. A chunk without words of its own is missing.
 */
export function chunkWords(root) {
  const known = new Set(SETS.flatMap((set) => Object.keys(wordsOf(root, set, LANGUAGES[0]))))
  const sources = readSources(root)
  const behind = (...starts) => [...wordsBehind(sources, starts)].filter((word) => known.has(word))
  const core = new Set([...Object.keys(wordsOf(root, "core", LANGUAGES[0])), ...behind(...FIRST)])
  const shell = new Set(behind(SHELL))
  const chunks = new Map([["core", [...core].sort()]])
  for (const file of new Set([...sources.values()].flatMap(({ later }) => later))) {
    const own = behind(file).filter((word) => !core.has(word) && (file === SHELL || !shell.has(word)))
    if (own.length > 0) chunks.set(nameOf(file), own.sort())
  }
  return chunks
}

/** The files of words that are served: `words/<chunk>.<language>.json` and what is in them. */
export function wordFiles(root) {
  const files = new Map()
  for (const language of LANGUAGES) {
    const texts = Object.assign({}, ...SETS.map((set) => wordsOf(root, set, language)))
    for (const [chunk, words] of chunkWords(root)) {
      const content = Object.fromEntries(words.map((word) => [word, texts[word]]))
      files.set(`words/${chunk}.${language}.json`, JSON.stringify(content) + "\n")
    }
  }
  return files
}

/** Puts `withWords` around each `import("…")` of a chunk that has words; null where there is none. */
export function bringWords(root, code, path, chunks) {
  let found = false
  const changed = code.replace(DYNAMIC, (whole, name) => {
    const file = resolve(root, path, name)
    if (!file || !chunks.has(nameOf(file))) return whole
    found = true
    return `withWords(${whole}, ${JSON.stringify(nameOf(file))})`
  })
  return found ? `import { withWords } from "@/i18n";\n${changed}` : null
}

/**
 * Serves to each chunk the words that it names, and lets it wait for them: they are fetched beside it. They are read by
 * name, so that a new text changes no chunk.
 */
export function words(root) {
  let chunks = new Map()
  return {
    name: "thingstead-words",
    buildStart() {
      chunks = chunkWords(root)
    },
    configureServer(server) {
      server.middlewares.use((request, response, next) => {
        const path = request.url?.split("?")[0].replace(/^\/console\//, "") ?? ""
        const content = path.startsWith("words/") ? wordFiles(root).get(path) : undefined
        if (content === undefined) return next()
        response.setHeader("Content-Type", "application/json")
        response.end(content)
      })
    },
    transform(code, id) {
      const [path, query = ""] = id.split("?")
      if (process.env.VITEST || !path.startsWith(join(root, "src")) || !/\.(ts|vue)$/.test(path)) return null
      if (query && !query.includes("type=script")) return null
      const changed = bringWords(root, code, path, chunks)
      return changed === null ? null : { code: changed, map: null }
    },
    generateBundle() {
      for (const [fileName, source] of wordFiles(root)) this.emitFile({ type: "asset", fileName, source })
    },
  }
}
