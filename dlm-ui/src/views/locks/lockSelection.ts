// Locks that are selected in the list, to force-release them together. By name, so that the selection stays while rows
// move, and while a filter hides them.
import { inject, provide, shallowRef, type InjectionKey, type Ref, type ShallowRef } from 'vue'
import { MAX_TARGETS } from '../../composables/useBulkRelease'
import { count } from '../../lib/format'
import type { LockStatus } from '../../api/types'
import { usePageMemory } from '../../stores/pageMemory'
import { useToast } from '../../stores/toast'

export interface LockSelection {
  /** In the order in which they were selected. */
  names: Readonly<ShallowRef<ReadonlySet<string>>>
  /** Whether a lock may be selected. */
  may: (name: string) => boolean
  toggle: (name: string) => void
  /** Selects the rows from the one that was toggled last to this one. */
  extendTo: (name: string, rows: readonly LockStatus[]) => void
  clear: () => void
}

const KEY: InjectionKey<LockSelection | null> = Symbol('lock selection')

export function useLockSelection(may: (name: string) => boolean): LockSelection {
  const toast = useToast()
  const names = shallowRef<ReadonlySet<string>>(new Set())
  const recalled = usePageMemory().part<string[]>('selection', () => [...names.value])
  if (recalled) names.value = new Set(recalled)
  /** Where a range begins. */
  let anchor: string | null = null

  function add(more: readonly string[]): void {
    const all = [...new Set([...names.value, ...more.filter(may)])]
    if (all.length > MAX_TARGETS) toast.show(`At most ${count(MAX_TARGETS)} locks are selected`)
    names.value = new Set(all.slice(0, MAX_TARGETS))
  }

  function toggle(name: string): void {
    anchor = name
    if (!names.value.has(name)) {
      add([name])
      return
    }
    const fewer = new Set(names.value)
    fewer.delete(name)
    names.value = fewer
  }

  function extendTo(name: string, rows: readonly LockStatus[]): void {
    const end = rows.findIndex(({ resource }) => resource === name)
    const start = rows.findIndex(({ resource }) => resource === anchor)
    const [first, last] = start < 0 ? [end, end] : [Math.min(start, end), Math.max(start, end)]
    add(rows.slice(first, last + 1).map(({ resource }) => resource))
    if (start < 0) anchor = name
  }

  function clear(): void {
    anchor = null
    names.value = new Set()
  }

  return { names, may, toggle, extendTo, clear }
}

/** For the cells of the table; `null` for those who may select nothing. */
export function provideSelection(selection: LockSelection | null): void {
  provide(KEY, selection)
}

export function injectSelection(): LockSelection | null {
  return inject(KEY, null)
}

export interface RowSelectionOptions {
  selection: LockSelection | null
  rows: () => readonly LockStatus[]
  /** The index of the active row. */
  active: Ref<number>
  activate: (index: number) => void
}

/** Rows are selected with Shift and a click, and the active one with a key. */
export function useRowSelection({ selection, rows, active, activate }: RowSelectionOptions) {
  /** No text is selected meanwhile. */
  function onMousedown(event: MouseEvent): void {
    if (event.shiftKey && selection) event.preventDefault()
  }

  /** With Shift, a click opens nothing. */
  function onClick(event: MouseEvent, index: number): void {
    activate(index)
    const row = rows()[index]
    if (!event.shiftKey || !selection || !row) return
    event.preventDefault()
    event.stopPropagation()
    selection.extendTo(row.resource, rows())
  }

  function select(): void {
    const row = rows()[active.value]
    if (row && selection?.may(row.resource)) selection.toggle(row.resource)
  }

  return { onMousedown, onClick, select }
}
