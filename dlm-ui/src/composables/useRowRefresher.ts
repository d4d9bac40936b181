import { onScopeDispose, type Ref } from 'vue'
import { api, retryable } from '../api/client'
import type { LockListModel } from '../state/lockListModel'
import { useConnection } from '../stores/connection'

const INTERVAL_MS = 200
const MAX_IN_FLIGHT = 8

export interface RowRefresherOptions {
  /** The current model. The result of a fetch for an earlier model is dropped. */
  model: () => LockListModel
  /** The names of the rows on screen, which are fetched first. */
  visibleNames: Ref<readonly string[]>
  onRefreshed: () => void
}

/** Periodically fetches the incomplete rows of a lock list, a few at a time. */
export function useRowRefresher({ model, visibleNames, onRefreshed }: RowRefresherOptions): void {
  const connection = useConnection()

  function refreshIncomplete(): void {
    if (document.hidden || connection.status === 'disconnected') return
    const target = model()
    for (const name of target.startFetches(visibleNames.value, MAX_IN_FLIGHT)) void refresh(target, name)
  }

  async function refresh(target: LockListModel, name: string): Promise<void> {
    try {
      const fetched = await api.status(name)
      if (target !== model()) return
      target.finishFetch(name, fetched)
      onRefreshed()
    } catch (error) {
      target.failFetch(name, retryable(error))
    }
  }

  const timer = setInterval(refreshIncomplete, INTERVAL_MS)
  onScopeDispose(() => clearInterval(timer))
}
