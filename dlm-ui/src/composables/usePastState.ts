// The locks as they were at the instant in the address.
import { onScopeDispose, ref, shallowRef, watch } from 'vue'
import { api, type ApiError, type PastFilter } from '../api/client'
import type { PastState } from '../api/types'
import { NOW } from '../lib/instantRoute'
import { clampInstant, reach, type Reach } from '../state/past'
import { useConnection } from '../stores/connection'
import { useSignIn } from '../stores/signIn'
import { useRetry } from './useRetry'
import { text, useUrlState } from './useUrlState'

export type PastReading = ReturnType<typeof usePastState>

/** Reads when the instant or the filter changes: the past itself does not. */
export function usePastState(filter: () => PastFilter) {
  const connection = useConnection()
  const signIn = useSignIn()
  /** As in the address: the server says whether it is an instant that it knows of. */
  const at = useUrlState('at', text, '')
  /** Stays while another instant is loaded. */
  const state = shallowRef<PastState | null>(null)
  const error = shallowRef<ApiError | null>(null)
  const loading = ref(false)
  /** Also of an answer before: an instant that is refused still has a way back. */
  const bounds = shallowRef<Reach | null>(null)
  let answered: string | null = null
  let answeredAt = 0

  const key = () => JSON.stringify([at.value, filter()])
  const { load } = useRetry((failure: ApiError) => {
    error.value = failure
    state.value = null
    loading.value = false
  })

  function read(): void {
    if (at.value === '' || key() === answered) return
    answered = null
    loading.value = true
    void load(async (signal) => {
      const asked = at.value === NOW ? '' : at.value
      const answer = await api.stateAt(asked, filter(), signal)
      // What is shown is not current, and is not meant to be.
      connection.setStatus('idle')
      if (asked === '') at.value = answer.at
      answered = key()
      answeredAt = performance.now()
      bounds.value = reach(answer)
      state.value = answer
      error.value = null
      loading.value = false
    })
  }

  /** Goes to an instant, or to the nearest that the log covers. */
  function go(ms: number): void {
    if (!bounds.value) return
    const { from, to } = bounds.value
    at.value = clampInstant(ms, { from, to: to + performance.now() - answeredAt })
  }

  /** Back to the present. */
  function leave(): void {
    at.value = ''
  }

  watch(key, read)
  // What was read may include what may no longer be seen.
  watch(
    () => signIn.rules,
    () => {
      state.value = null
      answered = null
      read()
    },
  )
  watch(state, (shown) => (connection.past = shown ? Date.parse(shown.at) : null))
  /** Another view, or instant, does not bring the server back. */
  function startLoading(): void {
    if (connection.status !== 'disconnected') connection.setStatus('loading')
  }
  onScopeDispose(() => {
    connection.past = null
    startLoading()
  })
  startLoading()
  read()

  return { at, state, error, loading, bounds, go, leave }
}
