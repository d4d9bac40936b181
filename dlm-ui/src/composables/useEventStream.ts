import { onScopeDispose } from 'vue'
import { EventSocket, type StreamFilter, type StreamHandlers } from '../api/eventSocket'
import { useConnection } from '../stores/connection'

type Handlers = Omit<StreamHandlers, 'state'> & Partial<Pick<StreamHandlers, 'state'>>

/** An event stream that is stopped with its scope and reports its state to the connection store. */
export function useEventStream(filter: () => StreamFilter, handlers: Handlers) {
  const connection = useConnection()
  let socket: EventSocket | null = null

  function start(cursor: string | null): void {
    socket?.stop()
    const current = new EventSocket(filter(), {
      messages: handlers.messages,
      gap: (gap) => {
        connection.setStatus('catching-up')
        handlers.gap(gap)
      },
      state: (state) => {
        if (state === 'live') connection.setStatus('live')
        else if (state === 'reconnecting') connection.setStatus('disconnected', current.lastActivityAt)
        handlers.state?.(state)
      },
    })
    socket = current
    current.start(cursor)
  }

  function stop(): void {
    socket?.stop()
    socket = null
  }

  const wake = () => {
    if (!document.hidden) socket?.wake()
  }
  document.addEventListener('visibilitychange', wake)
  window.addEventListener('online', wake)
  onScopeDispose(() => {
    stop()
    document.removeEventListener('visibilitychange', wake)
    window.removeEventListener('online', wake)
  })

  return { start, stop, cursor: () => socket?.cursor ?? null }
}
