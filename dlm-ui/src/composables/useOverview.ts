// The figures of all locks, which the server computes once for all who look.
import { onScopeDispose, ref, shallowRef } from 'vue'
import { api, ApiError, AwayError } from '../api/client'
import type { Overview } from '../api/types'
import { mergeSeconds } from '../state/seconds'
import { useClock } from '../stores/clock'
import { useConnection } from '../stores/connection'

const EVERY_MS = 150
/** After a failure. */
const AGAIN_MS = 1_000
/** What is new since the last look, with some to spare. */
const FEW_SECONDS = 10
export const ALL_SECONDS = 300

export function useOverview() {
  const connection = useConnection()
  const clock = useClock()
  const overview = shallowRef<Overview | null>(null)
  const refused = ref<string | null>(null)
  let timer: ReturnType<typeof setTimeout> | undefined
  let ended = false
  let looking = false
  let answeredAt = performance.now()

  async function look(): Promise<void> {
    if (looking) return
    looking = true
    const last = overview.value?.seconds.at(-1)
    const behind = last ? clock.now - Date.parse(last.at) : Number.POSITIVE_INFINITY
    const seconds = behind < (FEW_SECONDS - 2) * 1000 ? FEW_SECONDS : ALL_SECONDS
    const sentAt = performance.now()
    let pause = EVERY_MS
    try {
      const fresh = await api.overview(seconds)
      if (ended) return
      answeredAt = performance.now()
      clock.take(fresh.at, sentAt, answeredAt)
      const known = overview.value?.seconds ?? []
      overview.value = { ...fresh, seconds: mergeSeconds(known, fresh.seconds, ALL_SECONDS) }
      refused.value = null
      connection.become('live')
    } catch (error) {
      if (ended) return
      pause = AGAIN_MS
      connection.become('away', answeredAt)
      if (error instanceof ApiError && error.status < 500) refused.value = error.message
      else if (!(error instanceof AwayError) && !(error instanceof ApiError)) throw error
    } finally {
      looking = false
    }
    next(pause)
  }

  function next(pause: number): void {
    clearTimeout(timer)
    // A page that nobody sees asks for nothing.
    if (!document.hidden) timer = setTimeout(() => void look(), pause)
  }

  const seen = () => next(0)
  document.addEventListener('visibilitychange', seen)
  onScopeDispose(() => {
    ended = true
    clearTimeout(timer)
    document.removeEventListener('visibilitychange', seen)
  })
  void look()

  return { overview, refused }
}
