// The wait-for graph while the overview shows that someone waits. The event stream brings it; while there is none, it is
// read.
import { onScopeDispose, shallowRef, watch, type Ref } from 'vue'
import { api, ApiError, UnreachableError } from '../api/client'
import { DEFAULT_PAGE } from '../api/limits'
import type { Overview, WaitGraph } from '../api/types'

const INTERVAL_MS = 1_000
/** As many as the event stream brings. */
const LOCKS = DEFAULT_PAGE

export function useWaitGraph(
  overview: Readonly<Ref<Overview | null>>,
  live: Readonly<Ref<WaitGraph | null>>,
) {
  const graph = shallowRef<WaitGraph | null>(null)
  let inFlight = false
  let sentAt = Number.NEGATIVE_INFINITY
  let disposed = false
  const isNeeded = () => !disposed && overview.value !== null && overview.value.waiting > 0

  async function refresh(): Promise<void> {
    inFlight = true
    sentAt = performance.now()
    try {
      const fresh = await api.waitGraph(LOCKS)
      if (isNeeded() && live.value === null) graph.value = fresh
    } catch (failure) {
      // The overview says what is wrong with the connection.
      if (!(failure instanceof ApiError) && !(failure instanceof UnreachableError)) throw failure
    } finally {
      inFlight = false
    }
  }

  watch(
    [overview, live],
    () => {
      if (!isNeeded()) graph.value = null
      else if (live.value !== null) graph.value = live.value
      else if (!inFlight && performance.now() - sentAt >= INTERVAL_MS) void refresh()
    },
    { immediate: true },
  )
  onScopeDispose(() => {
    disposed = true
  })
  return { graph }
}
