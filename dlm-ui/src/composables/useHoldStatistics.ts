// How long the locks on screen are usually held. It changes slowly, so it is read rarely.
import { onScopeDispose, shallowRef, watch } from 'vue'
import { api, ApiError, retryable, UnreachableError } from '../api/client'
import { MAX_HOLD_STATISTICS } from '../api/limits'
import type { HoldStatistics } from '../api/types'
import { useSignIn } from '../stores/signIn'

export type StatisticsByName = ReadonlyMap<string, HoldStatistics | null>

/** The pause after a scroll or an answer, before what is now on screen is read. */
const PAUSE_MS = 250
const MAX_AGE_MS = 30_000
/** More than any screen has. Beyond it everything is forgotten. */
const MAX_KEPT = 2_000

export function useHoldStatistics(names: () => readonly string[]) {
  const signIn = useSignIn()
  const statistics = shallowRef<StatisticsByName>(new Map())
  const readAt = new Map<string, number>()
  let timer: ReturnType<typeof setTimeout> | undefined
  let dueAt = Number.POSITIVE_INFINITY
  let current: AbortController | null = null

  /** Reads after the delay, or sooner if that is due: the rows of a busy list never come to rest. */
  function schedule(delay: number): void {
    const at = performance.now() + delay
    if (at >= dueAt) return
    dueAt = at
    clearTimeout(timer)
    timer = setTimeout(() => void read(), delay)
  }

  async function read(): Promise<void> {
    dueAt = Number.POSITIVE_INFINITY
    // A hidden page reads again when it is shown.
    if (document.hidden) return
    if (current) return schedule(PAUSE_MS)
    const due = names()
      .filter((name) => performance.now() - (readAt.get(name) ?? Number.NEGATIVE_INFINITY) > MAX_AGE_MS)
      .slice(0, MAX_HOLD_STATISTICS)
    if (due.length === 0) {
      if (names().length > 0) schedule(MAX_AGE_MS / 2)
      return
    }
    const controller = new AbortController()
    current = controller
    let again = true
    try {
      const { locks } = await api.holdStatistics(due, controller.signal)
      if (controller.signal.aborted) return
      if (readAt.size > MAX_KEPT) forget()
      for (const name of due) readAt.set(name, performance.now())
      const read = locks.map(({ resource, hold }) => [resource, hold ?? null] as const)
      statistics.value = new Map([...statistics.value, ...read])
    } catch (failure) {
      if (controller.signal.aborted) return
      if (!(failure instanceof ApiError) && !(failure instanceof UnreachableError)) throw failure
      // The list itself says what is wrong.
      again = retryable(failure)
    } finally {
      if (current === controller) current = null
    }
    if (again) schedule(PAUSE_MS * 4)
  }

  function forget(): void {
    readAt.clear()
    statistics.value = new Map()
  }

  function reset(): void {
    current?.abort()
    current = null
    forget()
    schedule(PAUSE_MS)
  }

  const wake = () => schedule(PAUSE_MS)
  watch(names, () => schedule(PAUSE_MS), { immediate: true })
  // What was read may include what may no longer be seen.
  watch(() => signIn.rules, reset)
  document.addEventListener('visibilitychange', wake)
  onScopeDispose(() => {
    clearTimeout(timer)
    current?.abort()
    document.removeEventListener('visibilitychange', wake)
  })
  return { statistics }
}
