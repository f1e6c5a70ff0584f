/** Tests read the words of the pages as the pages do, without a server. */
import { addWords, language, LANGUAGES } from "@/i18n"
import type { Template } from "@/i18n/message"

type Texts = Record<(typeof LANGUAGES)[number], Template>
const files = import.meta.glob<Record<string, Texts>>("../words/*/*.json", { eager: true, import: "default" })
for (const [path, entries] of Object.entries(files)) {
  const name = path.replace(/^.*\/|\.json$/g, "")
  for (const of of LANGUAGES)
    addWords(of, Object.fromEntries(Object.entries(entries).map(([key, texts]) => [`${name}.${key}`, texts[of]])))
}
language.value = "en"
