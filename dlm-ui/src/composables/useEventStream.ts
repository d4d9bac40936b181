import { onScopeDispose, watch } from 'vue'
import { api } from '../api/client'
import { credential } from '../api/credential'
import { EventSocket, type StreamFilter, type StreamHandlers } from '../api/eventSocket'
import { useConnection } from '../stores/connection'
import { useSignIn } from '../stores/signIn'

const UNREADABLE =
  'The server sent an event that this page can’t read, so changes no longer show. Reload the page: the server may have been upgraded.'

type Handlers = Omit<StreamHandlers, 'state'> & Partial<Pick<StreamHandlers, 'state'>>

/** An event stream that is stopped with its scope and reports its state to the connection store. */
export function useEventStream(filter: () => StreamFilter, handlers: Handlers) {
  const connection = useConnection()
  const signIn = useSignIn()
  let socket: EventSocket | null = null

  function start(cursor: string | null): void {
    socket?.stop()
    const current = new EventSocket(
      filter(),
      {
        messages: handlers.messages,
        gap: (gap) => {
          if (gap === 'unreadable') {
            // To load again would lead here again.
            connection.setStatus('disconnected')
            connection.notice = UNREADABLE
            return
          }
          connection.setStatus('catching-up')
          handlers.gap(gap)
        },
        state: (state) => {
          if (state === 'live') connection.setStatus('live')
          else if (state === 'reconnecting') connection.setStatus('disconnected', current.lastActivityAt)
          handlers.state?.(state)
        },
      },
      authenticate,
    )
    socket = current
    current.start(cursor)
  }

  async function authenticate(reconnecting: boolean, signal: AbortSignal): Promise<string | null> {
    // The server may have closed the socket because the credential or a right is gone, or may have been restarted with
    // other rules. This asks for another token if need be.
    if (reconnecting) await signIn.refresh(signal)
    if (credential.token === null) return null
    return (await api.ticket('events', signal)).ticket
  }

  function stop(): void {
    socket?.stop()
    socket = null
  }

  watch(
    () => signIn.rules,
    () => {
      stop()
      connection.setStatus('catching-up')
      handlers.gap('access-changed')
    },
  )

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
