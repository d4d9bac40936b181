import type { Router } from 'vue-router'
import { isPast } from '../lib/instantRoute'

/**
 * Takes the instant of a past view along to other views that have a past, as long as `active` is true. Returns a
 * function that ends it.
 */
export function carryInstant(router: Router, active: () => boolean): () => void {
  let popped = false
  const unlisten = router.options.history.listen(() => (popped = true))
  const removeBefore = router.beforeEach((to, from) => {
    // Back and Forward lead to what was there.
    if (popped || !active() || to.path === from.path) return
    if (!isPast(from) || isPast(to) || !to.meta.past) return
    return { path: to.path, query: { ...to.query, at: from.query['at'] }, hash: to.hash }
  })
  const removeAfter = router.afterEach(() => {
    popped = false
  })
  return () => {
    unlisten()
    removeBefore()
    removeAfter()
  }
}
