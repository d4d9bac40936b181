import { nextTick, onBeforeUnmount, onMounted, watch, type ShallowRef } from 'vue'
import type { LockStatus } from '../../api/types'
import { INPUT_EVENTS, PATIENCE_MS, usePageMemory } from '../../stores/pageMemory'

/** Where the list was when its page was left. */
interface Place {
  /** The active row; `null` if none was chosen. */
  name: string | null
  /** How far below the top of the list the active row was, in pixels. */
  below: number
  scrollTop: number
  focused: boolean
}

export interface RecalledPlaceOptions {
  scroller: Readonly<ShallowRef<HTMLElement | null>>
  rows: () => readonly LockStatus[]
  /** In pixels; 0 until it is known. */
  rowHeight: () => number
  activeName: () => string | null
  activate: (index: number) => void
}

/** Back and Forward lead to the place where the list was, also if its rows arrive one page after the other. */
export function useRecalledPlace({
  scroller,
  rows,
  rowHeight,
  activeName,
  activate,
}: RecalledPlaceOptions): void {
  const indexOf = (name: string) => rows().findIndex(({ resource }) => resource === name)
  let pending = usePageMemory().part<Place>('list', () => {
    const name = activeName()
    const scrollTop = scroller.value?.scrollTop ?? 0
    return {
      name,
      below: name === null ? 0 : indexOf(name) * rowHeight() - scrollTop,
      scrollTop,
      focused: scroller.value?.contains(document.activeElement) ?? false,
    }
  })
  if (!pending) return

  function attempt(): void {
    const element = scroller.value
    if (!pending || !element || rowHeight() === 0) return
    const { name, below, scrollTop, focused } = pending
    const index = name === null ? -1 : indexOf(name)
    const top = index < 0 ? scrollTop : index * rowHeight() - below
    if (index >= 0) activate(index)
    element.scrollTop = top
    if (focused) element.focus({ preventScroll: true })
    const reached = Math.abs(element.scrollTop - top) < 1
    if (reached && (index >= 0 || name === null)) stop()
  }
  function stop(): void {
    pending = undefined
    clearTimeout(timer)
    unwatch()
  }
  const timer = setTimeout(stop, PATIENCE_MS)
  const unwatch = watch([rows, rowHeight], () => void nextTick(attempt), { flush: 'post' })
  onMounted(() => {
    for (const kind of INPUT_EVENTS) scroller.value?.addEventListener(kind, stop, { passive: true })
    void nextTick(attempt)
  })
  onBeforeUnmount(stop)
}
