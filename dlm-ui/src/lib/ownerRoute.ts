import type { RouteLocationRaw } from 'vue-router'

/** A browser takes these for a step in the path, so no page has an address with them. */
const NO_SEGMENT: ReadonlySet<string> = new Set(['.', '..'])

/** Whether an address can have the text as a step of its path. */
export function canBeSegment(text: string): boolean {
  return !NO_SEGMENT.has(text)
}

/** The page of an owner; `null` if it can't have an address. */
export function ownerRoute(owner: string, principal?: string | null): RouteLocationRaw | null {
  if (!canBeSegment(owner)) return null
  const query = principal ? { principal } : {}
  // The router requires a parameter.
  return owner === '' ? { path: '/owners/', query } : { name: 'owner', params: { owner }, query }
}

/** The page of a principal; `null` if it can't have an address. */
export function principalRoute(principal: string): RouteLocationRaw | null {
  return canBeSegment(principal) ? { name: 'principal', params: { principal } } : null
}
