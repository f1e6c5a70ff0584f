/** Tags as `key=value`, one a line or separated by commas; null where one has no key. */
export function parseTags(text: string): Record<string, string> | null {
  const tags: Record<string, string> = {}
  for (const line of text.split(/[\n,，]+/)) {
    if (line.trim() === "") continue
    const at = line.search(/[=:：]/)
    const key = (at < 0 ? line : line.slice(0, at)).trim()
    if (key === "") return null
    tags[key] = at < 0 ? "" : line.slice(at + 1).trim()
  }
  return tags
}
