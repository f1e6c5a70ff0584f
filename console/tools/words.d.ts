export const ROOT: string
export const LANGUAGES: readonly ("zh" | "en")[]
export const SETS: readonly string[]
export function wordsOf(root: string, set: string, language: string): Record<string, string | string[]>
