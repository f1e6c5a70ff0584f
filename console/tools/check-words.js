// Refuses words that lack a language, differ in their arguments, break the typography of Chinese, or that nobody uses.
import { readdirSync, readFileSync } from "node:fs"
import { join } from "node:path"
import { argv } from "node:process"
import { fileURLToPath } from "node:url"
import { LANGUAGES, SETS, wordsIn } from "./words.js"

const HAN = "\\p{Script=Han}"
const RULES = [
  [new RegExp(`${HAN}[,;:!?()]|[,;:!?(]${HAN}`, "u"), "half-width punctuation beside Chinese"],
  [new RegExp(`${HAN}[A-Za-z0-9{]|[A-Za-z0-9}]${HAN}`, "u"), "no space between Chinese and Latin"],
]
// What is put in for these may be Chinese itself.
const CHINESE_ARGUMENTS = /\{(name|role|zone|reason|interval|type|state)\}/g

function argumentsOf(text) {
  const names = [text].flat().flatMap((one) => [...one.matchAll(/\{(\w+)\}/g)].map((match) => match[1]))
  return [...new Set(names)].sort().join()
}

/** What is wrong with the texts of one word. */
export function faultsOf(texts) {
  const faults = []
  for (const language of LANGUAGES)
    if (!texts[language] || [texts[language]].flat().some((one) => !one.trim())) faults.push(`no ${language}`)
  if (faults.length > 0) return faults
  const { zh, en } = texts
  if (Object.keys(texts).some((one) => !LANGUAGES.includes(one))) faults.push("an unknown language")
  if (typeof zh !== "string") return [...faults, "Chinese has no plural"]
  if (Array.isArray(en) && (en.length !== 2 || !en[1].includes("{count}"))) faults.push("not [one, other]")
  if (argumentsOf(zh) !== argumentsOf(en)) faults.push("the languages differ in their arguments")
  for (const [pattern, what] of RULES)
    if (pattern.test(zh.replace(CHINESE_ARGUMENTS, ""))) faults.push(`${what}: ${zh}`)
  return faults
}

function sources(folder) {
  return readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile() && /\.(ts|vue)$/.test(entry.name))
    .map((entry) => readFileSync(join(entry.parentPath, entry.name), "utf-8"))
    .join("\n")
}

function main(root) {
  const code = sources(join(root, "src"))
  const used = new Set(wordsIn(code))
  const unused = []
  let failed = false
  for (const set of SETS)
    for (const file of readdirSync(join(root, "words", set)))
      for (const [key, texts] of Object.entries(JSON.parse(readFileSync(join(root, "words", set, file), "utf-8")))) {
        const name = `${file.replace(/\.json$/, "")}.${key}`
        const faults = faultsOf(texts)
        if (!used.has(name)) unused.push(name)
        for (const fault of faults) console.error(`words: ${name}: ${fault}`)
        failed ||= faults.length > 0
      }
  // No chunk brings what none names in full.
  if (unused.length > 0) console.error(`words: not used: ${unused.join(", ")}`)
  return failed || unused.length > 0 ? 1 : 0
}

if (argv[1] === fileURLToPath(import.meta.url)) process.exit(main(fileURLToPath(new URL("..", import.meta.url))))
