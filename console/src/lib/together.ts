/** Puts the changes of two people to one thing together: nobody loses what the other did not touch. */
import { canonical } from "@/lib/draft"

/** Whether two values are equal, deeply, whatever the order of members. */
export const same = (one: unknown, other: unknown): boolean => canonical(one) === canonical(other)

/**
 * `mine` with `theirs` in each field that is still as in `base`, from which both began, and the fields that both changed,
 * and not to the same.
 */
export function together<M extends object>(
  fields: readonly (keyof M & string)[],
  base: M,
  theirs: M,
  mine: M,
): { value: M; clashes: (keyof M & string)[] } {
  const value = { ...mine }
  const clashes: (keyof M & string)[] = []
  for (const field of fields) {
    if (same(mine[field], base[field])) value[field] = theirs[field]
    else if (!same(theirs[field], base[field]) && !same(theirs[field], mine[field])) clashes.push(field)
  }
  return { value, clashes }
}
