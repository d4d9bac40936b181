import { ref, watch } from 'vue'
import type { LockStatus } from '../../api/types'

export interface ActiveRowOptions {
  rows: () => readonly LockStatus[]
  /** How many rows a page key moves by. */
  pageRows: () => number
  scrollTo: (index: number) => void
  open: (row: LockStatus) => void
}

/** The row that the arrow keys move to and Enter opens. It follows its lock when the list changes. */
export function useActiveRow({ rows, pageRows, scrollTo, open }: ActiveRowOptions) {
  /** Its index, which changes with the list. */
  const active = ref(0)
  let activeName: string | null = null

  function activate(index: number): void {
    active.value = Math.max(0, Math.min(rows().length - 1, index))
    activeName = rows()[active.value]?.resource ?? null
  }

  function moveTo(index: number): void {
    activate(index)
    scrollTo(active.value)
  }

  function openRow(index: number): void {
    activate(index)
    const row = rows()[index]
    if (row) open(row)
  }

  function onKeydown(event: KeyboardEvent): void {
    const moves: Record<string, number> = {
      ArrowDown: active.value + 1,
      ArrowUp: active.value - 1,
      PageDown: active.value + pageRows(),
      PageUp: active.value - pageRows(),
      Home: 0,
      End: rows().length - 1,
    }
    const target = moves[event.key]
    if (target !== undefined) {
      event.preventDefault()
      moveTo(target)
    } else if (event.key === 'Enter' && event.target === event.currentTarget) {
      openRow(active.value)
    }
  }

  watch(rows, (latest) => {
    if (activeName === null || latest[active.value]?.resource === activeName) return
    const index = latest.findIndex((row) => row.resource === activeName)
    activate(index < 0 ? active.value : index)
  })

  return { active, activeName: () => activeName, activate, moveTo, openRow, onKeydown }
}
