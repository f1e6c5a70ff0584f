/** The tree of device groups. */
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
