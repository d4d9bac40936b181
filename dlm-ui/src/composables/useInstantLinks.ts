import { inject, provide, type InjectionKey } from 'vue'
import type { RouteLocationRaw } from 'vue-router'
import { atInstant } from '../lib/instantRoute'

const INSTANT: InjectionKey<() => string> = Symbol('instant')

/** Says at which instant a part of the page shows everything. */
export function provideInstant(at: () => string): void {
  provide(INSTANT, at)
}

/** Adds the instant of the part of the page to a link in it: a link that is opened in a new tab passes no guard. */
export function useInstantLinks(): (to: RouteLocationRaw) => RouteLocationRaw {
  const at = inject(INSTANT, null)
  return (to) => (at ? atInstant(to, at()) : to)
}
