// Polls the overview, which the server computes once for all clients.
import { onScopeDispose, shallowRef, watch } from 'vue'
import { api, ApiError, UnreachableError } from '../api/client'
import { OVERVIEW_SECONDS } from '../api/limits'
import type { Overview } from '../api/types'
import { mergeSeconds } from '../state/seconds'
import { useClock } from '../stores/clock'
import { useConnection } from '../stores/connection'
import { useSignIn } from '../stores/signIn'

const POLL_INTERVAL_MS = 150
const RETRY_DELAY_MS = 1_000
/** Enough to cover the time since the previous poll. */
const RECENT_SECONDS = 10

export function useOverview() {
  const connection = useConnection()
  const clock = useClock()
  const signIn = useSignIn()
  const overview = shallowRef<Overview | null>(null)
  const error = shallowRef<ApiError | null>(null)
  let timer: ReturnType<typeof setTimeout> | undefined
  let disposed = false
  let inFlight = false
  let respondedAt = performance.now()

  async function poll(): Promise<void> {
    if (inFlight) return
    inFlight = true
    const sentAt = performance.now()
    let delay = POLL_INTERVAL_MS
    try {
      const fresh = await api.overview(missingSeconds())
      if (disposed) return
      respondedAt = performance.now()
      clock.addSample(fresh.at, sentAt, respondedAt)
      const known = overview.value?.seconds ?? []
      overview.value = { ...fresh, seconds: mergeSeconds(known, fresh.seconds, OVERVIEW_SECONDS) }
      error.value = null
      connection.setStatus('live')
    } catch (failure) {
      if (disposed) return
      if (failure instanceof ApiError && failure.missingRole) {
        // Another request would be denied, and recorded, as well.
        error.value = failure
        overview.value = null
        connection.setStatus('idle')
        return
      }
      delay = RETRY_DELAY_MS
      connection.setStatus('disconnected', respondedAt)
      if (failure instanceof ApiError && failure.status < 500) error.value = failure
      else if (!(failure instanceof UnreachableError) && !(failure instanceof ApiError)) throw failure
    } finally {
      inFlight = false
    }
    schedule(delay)
  }

  function missingSeconds(): number {
    const last = overview.value?.seconds.at(-1)
    const behind = last ? clock.now - Date.parse(last.at) : Number.POSITIVE_INFINITY
    return behind < (RECENT_SECONDS - 2) * 1000 ? RECENT_SECONDS : OVERVIEW_SECONDS
  }

  function schedule(delay: number): void {
    clearTimeout(timer)
    // A hidden page does not poll.
    if (!document.hidden) timer = setTimeout(() => void poll(), delay)
  }

  const onVisibilityChange = () => schedule(0)
  document.addEventListener('visibilitychange', onVisibilityChange)
  onScopeDispose(() => {
    disposed = true
    clearTimeout(timer)
    document.removeEventListener('visibilitychange', onVisibilityChange)
  })
  watch(
    () => signIn.rules,
    () => {
      // What is known includes locks that may no longer be seen.
      overview.value = null
      schedule(0)
    },
  )
  void poll()

  return { overview, error }
}
