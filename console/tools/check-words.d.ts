export function faultsOf(texts: Record<string, unknown>): string[]
