/**
 * Two languages, fetched by name: with each chunk the words that it names. `t("devices.total", { count: 3 })` is typed: an
 * unknown word does not compile.
 */
import { computed, ref, shallowReactive, watch } from "vue"
import { preferences, type Language } from "@/lib/preferences"
import { fill, isComplete, type Arguments, type Template } from "./message"
import type { Word } from "./words"

export type { Language, Word }

export const LANGUAGES: readonly Language[] = ["zh", "en"]
const texts = shallowReactive<Record<Language, Record<string, Template>>>({ zh: {}, en: {} })
const asked = new Map<string, Promise<void>>()
const sets = new Set<string>()

function wished(): Language {
  return preferences.language ?? (/^zh/i.test(navigator.language) ? "zh" : "en")
}

/** The language that is shown: the wished one once its words are here. */
export const language = ref<Language>(wished())

/** Adds words to a language. */
export function addWords(of: Language, more: Record<string, Template>): void {
  texts[of] = { ...texts[of], ...more }
}

async function fetchWords(set: string, of: Language): Promise<void> {
  const answer = await fetch(`${import.meta.env.BASE_URL}words/${set}.${of}.json`)
  if (!answer.ok) throw new Error(`words/${set}.${of}.json: ${answer.status}`)
  addWords(of, (await answer.json()) as Record<string, Template>)
}

/** Fetches the words of a chunk (`core` first; `codes`: what the server refuses) in the language that is shown, and from then on in every language that is chosen. */
export function loadWords(set: string, of: Language = language.value): Promise<void> {
  sets.add(set)
  const name = `${set}.${of}`
  let pending = asked.get(name)
  if (!pending) {
    pending = fetchWords(set, of)
    pending.catch(() => asked.delete(name)) // asked again at the next try
    asked.set(name, pending)
  }
  return pending
}

/** A chunk that is being fetched, once its words are here, too. The build puts it around every `import("…")`. */
export async function withWords<T>(module: Promise<T>, chunk: string): Promise<T> {
  const [found] = await Promise.all([module, loadWords(chunk)])
  return found
}

watch(wished, async (next) => {
  // What is opened meanwhile comes in the language before, and is not to show keys in the next one.
  for (let known = 0; known < sets.size;) {
    known = sets.size
    await Promise.all([...sets].map((set) => loadWords(set, next)))
  }
  if (wished() === next) language.value = next
})

watch(language, (now) => (document.documentElement.lang = now), { immediate: true })

/** The text of a word in the language that is shown. */
export function t(word: Word, args: Arguments = {}): string {
  return fill(texts[language.value][word] ?? word, args, language.value)
}

/** The text of a word that is known only at run time, such as the code of a refusal; null where it or an argument is missing. */
export function textOf(word: string, args: Arguments = {}): string | null {
  const template = texts[language.value][word]
  return template === undefined || !isComplete(template, args) ? null : fill(template, args, language.value)
}

/** The locale for the browser's own formats. */
export const locale = computed(() => (language.value === "zh" ? "zh-CN" : "en-GB"))
