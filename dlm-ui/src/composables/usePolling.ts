// Reads something again and again while the page is visible.
import { onScopeDispose, ref, shallowRef, watch } from 'vue'
import { ApiError, retryable, UnreachableError } from '../api/client'
import { useConnection } from '../stores/connection'
import { useSignIn } from '../stores/signIn'

const RETRY_DELAY_MS = 1_000
/** A read that takes long is repeated at most this often: it takes at most a fifth of the time. */
const COST_FACTOR = 4

export interface PollingOptions<T> {
  read: (signal: AbortSignal) => Promise<T>
  intervalMs: number
  /** What is read. When it changes, what was read before is dropped. */
  key?: () => unknown
  /** Nothing is read while this is false. */
  needed?: () => boolean
  /** The view shows nothing but this, so it decides whether the page is live. */
  primary?: boolean
}

export function usePolling<T>({ read, intervalMs, key, needed = () => true, primary }: PollingOptions<T>) {
  const connection = useConnection()
  const signIn = useSignIn()
  const data = shallowRef<T | null>(null)
  const error = shallowRef<ApiError | null>(null)
  const loading = ref(false)
  let timer: ReturnType<typeof setTimeout> | undefined
  let current: AbortController | null = null
  let respondedAt = performance.now()

  async function poll(): Promise<void> {
    clearTimeout(timer)
    current?.abort()
    const controller = new AbortController()
    current = controller
    const { signal } = controller
    const sentAt = performance.now()
    let delay: number | null = null
    loading.value = true
    try {
      const fresh = await read(signal)
      if (signal.aborted) return
      respondedAt = performance.now()
      data.value = fresh
      error.value = null
      delay = Math.max(intervalMs, COST_FACTOR * (respondedAt - sentAt))
      if (primary) connection.setStatus('live')
    } catch (failure) {
      if (signal.aborted) return
      if (!(failure instanceof ApiError) && !(failure instanceof UnreachableError)) throw failure
      if (retryable(failure)) {
        delay = Math.max(RETRY_DELAY_MS, intervalMs)
        if (primary) connection.setStatus('disconnected', respondedAt)
      } else if (failure instanceof ApiError) {
        // Another request would get the same answer.
        error.value = failure
        data.value = null
        if (primary) connection.setStatus('idle')
      }
    } finally {
      if (current === controller) loading.value = false
    }
    if (delay !== null) schedule(delay)
  }

  function schedule(delay: number): void {
    clearTimeout(timer)
    if (!document.hidden && needed()) timer = setTimeout(() => void poll(), delay)
  }

  function stop(): void {
    clearTimeout(timer)
    current?.abort()
    current = null
    loading.value = false
  }

  /** Reads now. */
  function refresh(): void {
    if (!document.hidden && needed()) void poll()
  }

  // What was read may include what may no longer be seen.
  watch(
    () => [JSON.stringify(key?.()), signIn.rules],
    () => {
      data.value = null
      error.value = null
      refresh()
    },
  )
  watch(needed, (now) => {
    if (now) refresh()
    else {
      stop()
      data.value = null
    }
  })
  document.addEventListener('visibilitychange', refresh)
  onScopeDispose(() => {
    stop()
    document.removeEventListener('visibilitychange', refresh)
  })
  refresh()

  return { data, error, loading, refresh }
}
