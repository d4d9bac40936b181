// One who takes a lock from the browser, as a program would by HTTP.
import { computed, onScopeDispose, ref, shallowRef, watch, type Ref } from 'vue'
import { api, ApiError, AwayError } from '../api/client'
import type { Lease, LockEvent, Mode } from '../api/types'

const AGAIN_MS = 500
const MOST_REPLIES = 20

export type Phase =
  | { at: 'idle' }
  | { at: 'waiting'; position: number | null }
  | { at: 'holding'; lease: Lease }
  | { at: 'ended'; token: number; how: string }

export interface Reply {
  id: number
  asked: string
  answer: string
  good: boolean
}

export interface Wish {
  mode: Mode
  ttlMs: number
  waitMs: number
  owner: string
}

export function usePlayer(name: Ref<string>, key: Ref<string>, wish: Ref<Wish>) {
  const phase = shallowRef<Phase>({ at: 'idle' })
  const replies = shallowRef<Reply[]>([])
  const busy = ref(false)
  let waiting: AbortController | null = null
  let numbered = 0
  /** What the phase is about: the fields may be changed meanwhile. */
  let asked = { lock: name.value, key: key.value }

  const holding = computed(() => (phase.value.at === 'holding' ? phase.value.lease : null))

  function note(asked: string, answer: string, good: boolean): void {
    numbered += 1
    replies.value = [{ id: numbered, asked, answer, good }, ...replies.value].slice(0, MOST_REPLIES)
  }

  function noteError(asked: string, error: unknown): void {
    if (error instanceof ApiError) note(asked, `${error.status} ${error.code ?? ''}: ${error.message}`, false)
    else if (error instanceof AwayError) note(asked, error.message, false)
    else throw error
  }

  /** Sends the acquire, as often as it is answered that it is still queued. */
  async function acquire(): Promise<void> {
    waiting?.abort()
    const mine = new AbortController()
    waiting = mine
    const of = { lock: name.value, key: key.value }
    asked = of
    const { mode, ttlMs, waitMs, owner } = wish.value
    const request = { mode, ttl_ms: ttlMs, wait_ms: waitMs, owner }
    const what = `acquire ${mode}`
    const before = phase.value
    if (waitMs > 0 && before.at !== 'holding') phase.value = { at: 'waiting', position: null }
    busy.value = true
    try {
      for (;;) {
        try {
          const answer = await api.acquire(of.lock, of.key, { ...request, metadata: {} }, mine.signal)
          if ('lease_id' in answer) {
            const again = before.at === 'holding' && before.lease.lease_id === answer.lease_id
            phase.value = { at: 'holding', lease: answer }
            note(what, `200: token ${answer.fencing_token}${again ? ', the same lease again' : ''}`, true)
            return
          }
          phase.value = { at: 'waiting', position: answer.position }
          note(what, `202: place ${answer.position} of ${answer.queue_len}`, true)
        } catch (error) {
          if (mine.signal.aborted) return
          if (!(error instanceof AwayError) || waitMs === 0) throw error
          await new Promise((resolve) => setTimeout(resolve, AGAIN_MS))
        }
      }
    } catch (error) {
      if (phase.value.at === 'waiting') phase.value = { at: 'idle' }
      noteError(what, error)
    } finally {
      if (waiting === mine) {
        waiting = null
        busy.value = false
      }
    }
  }

  async function cancel(): Promise<void> {
    waiting?.abort()
    phase.value = { at: 'idle' }
    busy.value = false
    await attempt('cancel', async () => {
      const { outcome } = await api.cancel(asked.lock, asked.key)
      return `200: ${outcome}`
    })
  }

  async function renew(): Promise<void> {
    const lease = holding.value
    if (!lease) return
    await attempt('renew', async () => {
      const renewed = await api.renew(lease.resource, lease.lease_id, wish.value.ttlMs)
      if (holding.value?.lease_id === lease.lease_id) phase.value = { at: 'holding', lease: renewed }
      return `200: ${renewed.ttl_ms} ms from now`
    })
  }

  async function release(): Promise<void> {
    const lease = holding.value
    if (!lease) return
    await attempt('release', async () => {
      await api.release(lease.resource, lease.lease_id)
      if (holding.value?.lease_id === lease.lease_id)
        phase.value = { at: 'ended', token: lease.fencing_token, how: 'released' }
      return '200: released'
    })
  }

  async function attempt(asked: string, task: () => Promise<string>): Promise<void> {
    busy.value = true
    try {
      note(asked, await task(), true)
    } catch (error) {
      noteError(asked, error)
    } finally {
      busy.value = false
    }
  }

  /** Takes note of what happened to its own lease. */
  function follow(events: readonly LockEvent[]): void {
    const lease = holding.value
    if (!lease) return
    const ends = { expired: 'expired', force_released: 'force-released', released: 'released' } as const
    for (const event of events) {
      if (event.fencing_token !== lease.fencing_token || event.resource !== lease.resource) continue
      if (event.kind === 'expired' || event.kind === 'force_released' || event.kind === 'released') {
        phase.value = { at: 'ended', token: lease.fencing_token, how: ends[event.kind] }
      }
    }
  }

  /** As a guard that is dropped; where it does not arrive, the TTL frees the lock. */
  function leave(): void {
    const lease = holding.value
    if (waiting) void api.cancel(asked.lock, asked.key).catch(() => undefined)
    waiting?.abort()
    waiting = null
    if (lease) void api.release(lease.resource, lease.lease_id).catch(() => undefined)
  }

  watch(name, () => {
    leave()
    phase.value = { at: 'idle' }
    busy.value = false
  })
  onScopeDispose(leave)

  return { phase, replies, busy, acquire, cancel, renew, release, follow }
}

/** A new key is a new request; the old one asks for what it asked before. */
export function newKey(): string {
  // `randomUUID` is there on loopback and HTTPS only.
  const bytes = crypto.getRandomValues(new Uint8Array(8))
  return `play-${Array.from(bytes, (byte) => byte.toString(16).padStart(2, '0')).join('')}`
}
