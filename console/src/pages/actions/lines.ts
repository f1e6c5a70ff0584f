/** The line of a function that an error names, such as `Error: no (line 3)`; undefined: it names none. */
export function wrongLineOf(text: string | undefined): number | undefined {
  const found = /\(line (\d+)\)/.exec(text ?? "")
  return found ? Number(found[1]) : undefined
}
