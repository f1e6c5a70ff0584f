/** Actions of the page that is open, which the command palette offers beside its own. */
import { onScopeDispose } from "vue"

export interface PageAction {
  key: string
  label: string
  /** Further words by which it is found, in both languages. */
  aliases: string
  run: () => void
}

const offered: (() => readonly PageAction[])[] = []

/** Offers actions while the running component is there; `actions` is called when the palette looks for them. */
export function usePageActions(actions: () => readonly PageAction[]): void {
  offered.push(actions)
  onScopeDispose(() => {
    const index = offered.indexOf(actions)
    if (index >= 0) offered.splice(index, 1)
  })
}

export const pageActions = (): PageAction[] => offered.flatMap((actions) => actions())
