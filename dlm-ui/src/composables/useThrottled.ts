import { onScopeDispose, shallowRef, watch, type Ref } from 'vue'

/** A value that follows its source at most once per interval. The last change is never lost. */
export function useThrottled<T>(source: () => T, intervalMs: number): Readonly<Ref<T>> {
  const value = shallowRef(source())
  let changedAt = performance.now()
  let timer: ReturnType<typeof setTimeout> | undefined

  function follow(): void {
    timer = undefined
    changedAt = performance.now()
    value.value = source()
  }

  watch(source, () => {
    timer ??= setTimeout(follow, Math.max(0, changedAt + intervalMs - performance.now()))
  })
  onScopeDispose(() => clearTimeout(timer))
  return value
}
