import { beforeEach } from "vitest"
import { addWords, language } from "@/i18n"
import { preferences } from "@/lib/preferences"
import type { Template } from "@/i18n/message"
import { ROOT, wordsOf } from "../tools/words.js"

for (const of of ["zh", "en"] as const)
  for (const set of ["core", "pages"]) addWords(of, wordsOf(ROOT, set, of) as Record<string, Template>)

beforeEach(() => {
  preferences.language = "en"
  preferences.zone = "UTC"
  language.value = "en"
})
