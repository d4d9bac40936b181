import { onScopeDispose } from 'vue'
import { ApiError, passes } from '../api/client'
import { useConnection } from '../stores/connection'

const FIRST_PAUSE_MS = 250
const LONGEST_PAUSE_MS = 5_000

/**
 * Loads until it succeeds or another load takes its place. What the server refuses is not asked for again: it goes to
 * `refused`.
 */
export function useRetry(refused: (error: ApiError) => void) {
  const connection = useConnection()
  let current: AbortController | null = null

  async function load(task: (signal: AbortSignal) => Promise<void>): Promise<void> {
    current?.abort()
    const mine = new AbortController()
    current = mine
    for (let failures = 0; !mine.signal.aborted; failures += 1) {
      try {
        await task(mine.signal)
        return
      } catch (error) {
        if (mine.signal.aborted) return
        if (!passes(error)) {
          if (!(error instanceof ApiError)) throw error
          connection.become('idle')
          refused(error)
          return
        }
        connection.become('away')
        await pause(Math.min(FIRST_PAUSE_MS * 2 ** failures, LONGEST_PAUSE_MS), mine.signal)
      }
    }
  }

  onScopeDispose(() => current?.abort())
  return { load }
}

function pause(ms: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const timer = setTimeout(resolve, ms * (0.5 + Math.random() / 2))
    signal.addEventListener('abort', () => {
      clearTimeout(timer)
      resolve()
    })
  })
}
