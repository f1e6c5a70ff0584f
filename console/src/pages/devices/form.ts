/** What is typed when a device is created. */
export interface GroupNode {
  id: string
  name: string
  children: GroupNode[]
}

/** A tree of groups as a list, in order, each by its path. */
export function flatGroups(nodes: readonly GroupNode[], above = ""): { id: string; label: string }[] {
  return nodes.flatMap((node) => {
    const label = above ? `${above} / ${node.name}` : node.name
    return [{ id: node.id, label }, ...flatGroups(node.children, label)]
  })
}

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
