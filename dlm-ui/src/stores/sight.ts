import { defineStore } from 'pinia'

/** What is this near is as good as in sight: it shows the exact time before it is scrolled there. */
const MARGIN = '200px'

/** Tells elements whether they are in sight. One observer for all: each of many would look at the whole page. */
export const useSight = defineStore('sight', () => {
  const listeners = new WeakMap<Element, (inSight: boolean) => void>()
  const observer = new IntersectionObserver(
    (entries) => {
      for (const { target, isIntersecting } of entries) listeners.get(target)?.(isIntersecting)
    },
    { rootMargin: MARGIN, scrollMargin: MARGIN } as IntersectionObserverInit,
  )

  function watch(element: Element, listener: (inSight: boolean) => void): void {
    listeners.set(element, listener)
    observer.observe(element)
  }

  function unwatch(element: Element): void {
    observer.unobserve(element)
    listeners.delete(element)
  }

  return { watch, unwatch }
})
