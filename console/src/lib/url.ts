/** Addresses that come from data. */

/** The address where it leads to a page of the web; otherwise nothing, so that no link runs a script. */
export function safeUrl(text: string): string | undefined {
  try {
    const url = new URL(text, window.location.href)
    return url.protocol === "http:" || url.protocol === "https:" ? url.href : undefined
  } catch {
    return undefined
  }
}
