// Keeps rows in place while the pointer or the keyboard is on them, so that a click does not hit a row that just moved.
import { computed, onScopeDispose, ref, shallowRef, watch } from 'vue'

/** A key press or a touch does not say when the person is done: the rows stay in place for this long after it. */
const HOLD_MS = 5_000

export function useRowFreeze() {
  /** A mouse or a pen is over the rows, moving or not. */
  const hovered = ref(false)
  const held = ref(false)
  let timer: ReturnType<typeof setTimeout> | undefined

  function hold(): void {
    held.value = true
    clearTimeout(timer)
    timer = setTimeout(() => (held.value = false), HOLD_MS)
  }

  function enter({ pointerType }: PointerEvent): void {
    if (pointerType === 'touch') hold()
    else hovered.value = true
  }

  function leave({ pointerType }: PointerEvent): void {
    // A finger leaves before its click is dispatched.
    if (pointerType === 'touch') hold()
    else hovered.value = false
  }

  onScopeDispose(() => clearTimeout(timer))
  const frozen = computed(() => hovered.value || held.value)
  const listeners = {
    pointerenter: enter,
    pointermove: enter,
    pointerleave: leave,
    keydown: hold,
    // The key that moved the focus here was pressed elsewhere.
    keyup: hold,
  }
  return { frozen, listeners }
}

/** What a frozen list does not show yet. */
export interface HeldBack {
  added: number
  gone: number
}

/** The rows of `source`. While frozen, rows are updated in place, but none is added, removed or moved. */
export function useFrozenRows<T>(source: () => readonly T[], key: (row: T) => string | number) {
  const { frozen, listeners } = useRowFreeze()
  const shown = shallowRef<readonly T[]>(source())
  const byKey = computed(() => new Map(source().map((row) => [key(row), row])))
  watch([source, frozen], ([latest]) => {
    shown.value = frozen.value ? shown.value.map((row) => byKey.value.get(key(row)) ?? row) : latest
  })

  /** Whether a shown row is no longer one of the source. */
  function isGone(row: T): boolean {
    return !byKey.value.has(key(row))
  }

  const heldBack = computed<HeldBack>(() => {
    const gone = shown.value.filter(isGone).length
    return { added: byKey.value.size - (shown.value.length - gone), gone }
  })
  return { shown, frozen, listeners, isGone, heldBack }
}
