import { readdirSync, readFileSync } from "node:fs"
import { dirname, join } from "node:path"

export const ROOT = dirname(import.meta.dirname)
export const LANGUAGES = ["zh", "en"]
export const SETS = ["core", "pages"]

/** The words of one set in one language: `{"devices.title": "Devices"}`, from words/<set>/<name>.json. */
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

/** Serves the words to pages as words/<set>.<language>.json: read by name, so that a new text changes no chunk. */
export function words(root) {
  const files = SETS.flatMap((set) =>
    LANGUAGES.map((language) => ({ set, language, name: `words/${set}.${language}.json` })),
  )
  return {
    name: "thingstead-words",
    configureServer(server) {
      server.middlewares.use((request, response, next) => {
        const file = files.find((one) => request.url?.split("?")[0] === `/console/${one.name}`)
        if (!file) return next()
        response.setHeader("Content-Type", "application/json")
        response.end(JSON.stringify(wordsOf(root, file.set, file.language)))
      })
    },
    generateBundle() {
      for (const { set, language, name } of files)
        this.emitFile({ type: "asset", fileName: name, source: JSON.stringify(wordsOf(root, set, language)) + "\n" })
    },
  }
}
