import { onScopeDispose } from 'vue'
import { ApiError, retryable } from '../api/client'
import { useConnection } from '../stores/connection'

const MIN_BACKOFF_MS = 250
const MAX_BACKOFF_MS = 5_000

/**
 * Runs a load with exponential backoff until it succeeds or a newer load replaces it. An error that a retry can't fix is
 * passed to `onError`.
 */
export function useRetry(onError: (error: ApiError) => void) {
  const connection = useConnection()
  let current: AbortController | null = null

  async function load(task: (signal: AbortSignal) => Promise<void>): Promise<void> {
    current?.abort()
    const controller = new AbortController()
    current = controller
    for (let failures = 0; !controller.signal.aborted; failures += 1) {
      try {
        await task(controller.signal)
        return
      } catch (error) {
        if (controller.signal.aborted) return
        if (!retryable(error)) {
          if (!(error instanceof ApiError)) throw error
          connection.setStatus('idle')
          onError(error)
          return
        }
        connection.setStatus('disconnected')
        await sleep(Math.min(MIN_BACKOFF_MS * 2 ** failures, MAX_BACKOFF_MS), controller.signal)
      }
    }
  }

  onScopeDispose(() => current?.abort())
  return { load }
}

/** Resolves after the backoff with jitter, or when aborted. */
function sleep(ms: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const timer = setTimeout(resolve, ms * (0.5 + Math.random() / 2))
    signal.addEventListener('abort', () => {
      clearTimeout(timer)
      resolve()
    })
  })
}
