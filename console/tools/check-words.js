// Refuses words that lack a language, differ in their arguments, break the typography of Chinese, or that nobody uses.
import { readdirSync, readFileSync } from "node:fs"
import { join } from "node:path"
import { fileURLToPath } from "node:url"
import { LANGUAGES, SETS } from "./words.js"

const root = fileURLToPath(new URL("..", import.meta.url))
const faults = []
const unused = []

function argumentsOf(text) {
  return [...new Set([text].flat().flatMap((one) => [...one.matchAll(/\{(\w+)\}/g)].map((match) => match[1])))]
    .sort()
    .join()
}

function sources(folder) {
  return readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile() && /\.(ts|vue)$/.test(entry.name))
    .map((entry) => readFileSync(join(entry.parentPath, entry.name), "utf-8"))
    .join("\n")
}

const code = sources(join(root, "src"))
const HAN = "\\p{Script=Han}"
const RULES = [
  [new RegExp(`${HAN}[,;:!?()]|[,;:!?(]${HAN}`, "u"), "half-width punctuation beside Chinese"],
  [new RegExp(`${HAN}[A-Za-z0-9{]|[A-Za-z0-9}]${HAN}`, "u"), "no space between Chinese and Latin"],
]

function check(name, texts) {
  const { zh, en } = texts
  for (const language of LANGUAGES)
    if (!texts[language] || [texts[language]].flat().some((one) => !one.trim())) faults.push(`${name}: no ${language}`)
  if (Object.keys(texts).some((one) => !LANGUAGES.includes(one))) faults.push(`${name}: an unknown language`)
  if (typeof zh !== "string") faults.push(`${name}: Chinese has no plural`)
  if (Array.isArray(en) && (en.length !== 2 || !en[1].includes("{count}"))) faults.push(`${name}: not [one, other]`)
  if (argumentsOf(zh) !== argumentsOf(en)) faults.push(`${name}: the languages differ in their arguments`)
  // A name that is put in beside a Chinese word may be Chinese itself.
  for (const [pattern, what] of RULES)
    if (pattern.test(zh.replace(/\{(name|role|zone|reason)\}/g, ""))) faults.push(`${name}: ${what}: ${zh}`)
  if (!code.includes(`"${name}"`) && !code.includes(`'${name}'`)) unused.push(name)
}

for (const set of SETS)
  for (const file of readdirSync(join(root, "words", set)))
    for (const [key, texts] of Object.entries(JSON.parse(readFileSync(join(root, "words", set, file), "utf-8"))))
      check(`${file.replace(/\.json$/, "")}.${key}`, texts)

if (unused.length > 0) console.log(`words: not used: ${unused.join(", ")}`)
for (const fault of faults) console.error(`words: ${fault}`)
process.exit(faults.length > 0 ? 1 : 0)
