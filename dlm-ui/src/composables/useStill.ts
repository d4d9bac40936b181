// What one aims at must not move away: rows keep their places while somebody points at them or moves among them by
// keyboard.
import { onScopeDispose, ref, shallowRef, watch } from 'vue'

/** A pointer that rests, and a focus that was left where it is, are nobody after this long. */
const LAPSE_MS = 5_000

export function useStill() {
  const still = ref(false)
  let lapsing: ReturnType<typeof setTimeout> | undefined

  function hold(): void {
    still.value = true
    clearTimeout(lapsing)
    lapsing = setTimeout(letGo, LAPSE_MS)
  }

  function letGo(): void {
    clearTimeout(lapsing)
    still.value = false
  }

  onScopeDispose(letGo)
  const on = {
    pointerenter: hold,
    pointermove: hold,
    pointerleave: letGo,
    focusin: hold,
    keydown: hold,
    focusout: letGo,
  }
  return { still, on }
}

/** A list whose entries stay where they are, though they may change, while somebody points at them. */
export function useSteady<T>(source: () => readonly T[], key: (one: T) => string) {
  const { still, on } = useStill()
  const shown = shallowRef<readonly T[]>(source())
  watch([source, still], ([now]) => {
    if (!still.value) {
      shown.value = now
      return
    }
    const known = new Map(now.map((one) => [key(one), one]))
    shown.value = shown.value.map((one) => known.get(key(one)) ?? one)
  })
  return { shown, on }
}
