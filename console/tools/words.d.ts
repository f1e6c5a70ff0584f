export const ROOT: string
export const LANGUAGES: readonly ("zh" | "en")[]
export const SETS: readonly string[]
export function wordsOf(root: string, set: string, language: string): Record<string, string | string[]>
export function wordsIn(text: string): string[]
export function chunkWords(root: string): Map<string, string[]>
export function wordFiles(root: string): Map<string, string>
export function bringWords(root: string, code: string, path: string, chunks: Map<string, string[]>): string | null
