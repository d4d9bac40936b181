import { defineStore } from 'pinia'
import { onScopeDispose } from 'vue'
import type { Router } from 'vue-router'
import { findMarked, markFocus, scrollWithin, type FocusMark } from '../lib/focusMark'

/** Rows that have not arrived by then do not move the page any more. */
export const PATIENCE_MS = 10_000
/** The page has its height again: what had the focus is there soon, or gone. */
const SETTLE_MS = 2_000
/** Whatever a person does from then on is not undone. */
export const INPUT_EVENTS = ['wheel', 'touchstart', 'pointerdown', 'keydown'] as const

/** What a page looked like when it was left. */
interface Snapshot {
  /** The address, since a later page may have the same place in the history. */
  address: string
  scroll: number
  focus: FocusMark | null
  /** What the parts of the page remember of themselves, by name. */
  parts: Map<string, unknown>
}

/**
 * Where the pages of the history were scrolled to and what had the focus, so that Back and Forward lead to the same
 * place. In memory only: it has names of locks.
 */
export const usePageMemory = defineStore('pageMemory', () => {
  const snapshots = new Map<number, Snapshot>()
  const readers = new Map<string, () => unknown>()
  /** The page that is shown again. */
  let recalled: Snapshot | null = null
  let stopRestoring = () => {}

  /** Starts to remember, and returns a function that stops and forgets. */
  function run(router: Router): () => void {
    // The browser would scroll before the rows are there.
    history.scrollRestoration = 'manual'
    const place = () => Number(router.options.history.state['position'] ?? 0)
    let left = place()
    let popped = false
    const unlisten = router.options.history.listen(() => (popped = true))
    const remove = router.afterEach((to, from, failure) => {
      if (failure) return
      const back = popped
      popped = false
      if (to.path !== from.path) {
        stopRestoring()
        // The page that is left is still there.
        snapshots.set(left, takeSnapshot(from.fullPath))
        const known = back ? snapshots.get(place()) : undefined
        recalled = known?.address === to.fullPath ? known : null
        if (recalled) stopRestoring = restore(recalled)
      }
      left = place()
    })
    return () => {
      unlisten()
      remove()
      stopRestoring()
      snapshots.clear()
      recalled = null
      history.scrollRestoration = 'auto'
    }
  }

  function takeSnapshot(address: string): Snapshot {
    const page = document.querySelector('#main')
    // What moves its focus itself remembers it itself.
    const own = document.activeElement?.closest('[data-own-focus]')
    const focus = page && !own ? markFocus(page, document.activeElement) : null
    const parts = new Map([...readers].map(([name, read]) => [name, read()]))
    return { address, scroll: window.scrollY, focus, parts }
  }

  /**
   * Remembers a part of the page under a name while the scope lasts. Returns what it was when the page was left, if that
   * page is shown again; once, so that what is rendered again later starts at the top.
   */
  function part<T>(name: string, read: () => T): T | undefined {
    readers.set(name, read)
    onScopeDispose(() => {
      if (readers.get(name) === read) readers.delete(name)
    })
    const before = recalled?.parts.get(name) as T | undefined
    recalled?.parts.delete(name)
    return before
  }

  return { run, part }
})

/** Scrolls and moves the focus as soon as the rows are there. Returns a function that ends it. */
function restore({ scroll, focus }: Pick<Snapshot, 'scroll' | 'focus'>): () => void {
  const page = document.querySelector('#main')
  if (!page) return () => {}
  let frame = 0
  let settledAt: number | null = null

  function attempt(): void {
    const target = focus && findMarked(page as Element, focus)
    // Rows may have been added above.
    const missing = () =>
      focus && target ? target.getBoundingClientRect().top - focus.top : scroll - window.scrollY
    if (focus && target) scrollWithin(page as Element, target, focus)
    target?.focus({ preventScroll: true })
    window.scrollBy(0, missing())
    if (Math.abs(missing()) >= 1) return
    settledAt ??= performance.now()
    if (target || !focus || performance.now() - settledAt > SETTLE_MS) stop()
  }
  function stop(): void {
    observer.disconnect()
    clearTimeout(timer)
    cancelAnimationFrame(frame)
    for (const kind of INPUT_EVENTS) window.removeEventListener(kind, stop, { capture: true })
  }
  const observer = new MutationObserver(() => {
    cancelAnimationFrame(frame)
    frame = requestAnimationFrame(attempt)
  })
  const timer = setTimeout(stop, PATIENCE_MS)
  for (const kind of INPUT_EVENTS) window.addEventListener(kind, stop, { capture: true, passive: true })
  observer.observe(page, { childList: true, subtree: true })
  return stop
}
