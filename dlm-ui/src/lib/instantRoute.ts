// The instant of a past view, which is in its address.
import type { RouteLocationNormalized, RouteLocationRaw } from 'vue-router'

/** Stands for the instant at which the address is opened, by the server's clock. */
export const NOW = 'now'

/** Whether an address is of a view as it was at an instant, and not as it is. */
export function isPast({ meta, query }: Pick<RouteLocationNormalized, 'meta' | 'query'>): boolean {
  const { at } = query
  return meta.past === true && typeof at === 'string' && at !== ''
}

/** The same view at another instant; an empty one is the present. */
export function atInstant(to: RouteLocationRaw, at: string): RouteLocationRaw {
  if (typeof to === 'string') return atInstant({ path: to }, at)
  return { ...to, query: { ...to.query, at: at === '' ? undefined : at } }
}
