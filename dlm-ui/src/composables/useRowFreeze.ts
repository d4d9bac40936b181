// Keeps rows in place while the pointer or the keyboard is on them, so that a click does not hit a row that just moved.
import { onScopeDispose, ref, shallowRef, watch } from 'vue'

/** A resting pointer, or a focus left behind, stops freezing the rows after this long. */
const FREEZE_TIMEOUT_MS = 5_000

export function useRowFreeze() {
  const frozen = ref(false)
  let timer: ReturnType<typeof setTimeout> | undefined

  function freeze(): void {
    frozen.value = true
    clearTimeout(timer)
    timer = setTimeout(release, FREEZE_TIMEOUT_MS)
  }

  function release(): void {
    clearTimeout(timer)
    frozen.value = false
  }

  onScopeDispose(release)
  const listeners = {
    pointerenter: freeze,
    pointermove: freeze,
    pointerleave: release,
    focusin: freeze,
    keydown: freeze,
    focusout: release,
  }
  return { frozen, listeners }
}

/** The rows of `source`. While frozen, rows are updated in place, but none is added, removed or moved. */
export function useFrozenRows<T>(source: () => readonly T[], key: (row: T) => string) {
  const { frozen, listeners } = useRowFreeze()
  const shown = shallowRef<readonly T[]>(source())
  watch([source, frozen], ([latest]) => {
    if (!frozen.value) {
      shown.value = latest
      return
    }
    const byKey = new Map(latest.map((row) => [key(row), row]))
    shown.value = shown.value.map((row) => byKey.get(key(row)) ?? row)
  })
  return { shown, listeners }
}
