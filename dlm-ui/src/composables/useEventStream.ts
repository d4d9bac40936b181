import { onScopeDispose } from 'vue'
import { EventSocket, type StreamFilter, type StreamHandlers } from '../api/eventSocket'
import { useConnection } from '../stores/connection'

type Watched = Omit<StreamHandlers, 'state'> & Partial<Pick<StreamHandlers, 'state'>>

/** An event stream that lives as long as its view, and by which the page knows whether it is live. */
export function useEventStream(filter: () => StreamFilter, handlers: Watched) {
  const connection = useConnection()
  let socket: EventSocket | null = null

  function start(cursor: string | null): void {
    socket?.stop()
    const mine = new EventSocket(filter(), {
      messages: handlers.messages,
      gap: (why) => {
        connection.become('behind')
        handlers.gap(why)
      },
      state: (state) => {
        if (state === 'live') connection.become('live')
        else if (state === 'away') connection.become('away', mine.heardAt)
        handlers.state?.(state)
      },
    })
    socket = mine
    mine.start(cursor)
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
