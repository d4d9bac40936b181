import { computed, ref, watch } from 'vue'
import { renderCost } from '../../lib/renderCost'

/** New row elements in a frame: those of all rows at once would be a long task. */
const ROWS_ADDED = 8

export interface RowSlotsOptions<T> {
  /** The rows in sight. */
  inSight: () => readonly T[]
  printing: () => boolean
}

/**
 * The row elements of a virtualized table: as many as rows were in sight at once so far, which is reached within a few
 * frames. All that are printed have their own.
 */
export function useRowSlots<T>({ inSight, printing }: RowSlotsOptions<T>) {
  const slots = ref(0)
  let adding = false

  async function add(): Promise<void> {
    if (adding) return
    adding = true
    while (!printing() && slots.value < inSight().length)
      await renderCost(() => (slots.value = Math.min(inSight().length, slots.value + ROWS_ADDED)))
    adding = false
  }
  watch([() => inSight().length, printing], () => void add(), { immediate: true })

  return {
    /** Those of the rows in sight that have an element. */
    items: computed(() => (printing() ? inSight() : inSight().slice(0, slots.value))),
    /** A row that scrolls into view reuses the elements of one that scrolled out, which is cheaper than new ones. */
    slot: (index: number) => (printing() ? index : index % slots.value),
  }
}
