// A lock client in the browser that speaks the HTTP API as a program would.
import { computed, onScopeDispose, ref, shallowRef, watch, type Ref } from 'vue'
import { api, ApiError, UnreachableError } from '../api/client'
import type { Lease, LockEvent, Mode } from '../api/types'

const RETRY_DELAY_MS = 500
const MAX_RESPONSES = 20

export type Phase =
  | { state: 'idle' }
  | { state: 'waiting'; position: number | null }
  | { state: 'holding'; lease: Lease }
  | { state: 'ended'; token: number; reason: EndReason }

export type EndReason = 'released' | 'expired' | 'force-released'

/** Why a key gives no lease any more: the server remembers how its request ended. */
export type Spent = 'wait-timeout' | 'lease-ended' | 'idempotency-key-reused' | 'cancelled'

const SPENT_CODES: readonly (string | null)[] = [
  'wait-timeout',
  'lease-ended',
  'idempotency-key-reused',
] satisfies Spent[]

/** One entry of the response log. */
export interface LoggedResponse {
  id: number
  operation: string
  result: string
  ok: boolean
}

export interface AcquireOptions {
  mode: Mode
  ttlMs: number
  waitMs: number
  owner: string
}

export function usePlaygroundClient(name: Ref<string>, key: Ref<string>, options: Ref<AcquireOptions>) {
  const phase = shallowRef<Phase>({ state: 'idle' })
  /** Newest first. */
  const responses = shallowRef<LoggedResponse[]>([])
  /** Set if a repeat with the key would fail. */
  const spent = ref<Spent | null>(null)
  const busy = ref(false)
  let acquisition: AbortController | null = null
  let lastId = 0
  /** The lock and key of the last acquire; the input fields may have changed since. */
  let acquired = { lock: name.value, key: key.value }

  const lease = computed(() => (phase.value.state === 'holding' ? phase.value.lease : null))

  function log(operation: string, result: string, ok: boolean): void {
    lastId += 1
    responses.value = [{ id: lastId, operation, result, ok }, ...responses.value].slice(0, MAX_RESPONSES)
  }

  function logError(operation: string, error: unknown): void {
    if (error instanceof ApiError)
      log(operation, `${error.status} ${error.code ?? ''}: ${error.message}`, false)
    else if (error instanceof UnreachableError) log(operation, error.message, false)
    else throw error
  }

  /** Sends the acquire, and repeats it with the same key while it is queued. */
  async function acquire(): Promise<void> {
    acquisition?.abort()
    const controller = new AbortController()
    acquisition = controller
    const target = { lock: name.value, key: key.value }
    acquired = target
    const { mode, ttlMs, waitMs, owner } = options.value
    const request = { mode, ttl_ms: ttlMs, wait_ms: waitMs, owner, metadata: {} }
    const operation = `acquire ${mode}`
    const previous = lease.value
    if (waitMs > 0 && !previous) phase.value = { state: 'waiting', position: null }
    busy.value = true
    try {
      for (;;) {
        try {
          const response = await api.acquire(target.lock, target.key, request, controller.signal)
          if ('lease_id' in response) {
            const repeated = previous?.lease_id === response.lease_id
            phase.value = { state: 'holding', lease: response }
            log(operation, `200: token ${response.fencing_token}${repeated ? ', same lease' : ''}`, true)
            return
          }
          phase.value = { state: 'waiting', position: response.position }
          log(operation, `202: position ${response.position} of ${response.queue_len}`, true)
        } catch (error) {
          if (controller.signal.aborted) return
          if (!(error instanceof UnreachableError) || waitMs === 0) throw error
          await new Promise((resolve) => setTimeout(resolve, RETRY_DELAY_MS))
        }
      }
    } catch (error) {
      if (phase.value.state === 'waiting') phase.value = { state: 'idle' }
      if (error instanceof ApiError && target.key === key.value && SPENT_CODES.includes(error.code))
        spent.value = error.code as Spent
      logError(operation, error)
    } finally {
      if (acquisition === controller) {
        acquisition = null
        busy.value = false
      }
    }
  }

  async function cancel(): Promise<void> {
    acquisition?.abort()
    phase.value = { state: 'idle' }
    busy.value = false
    if (acquired.key === key.value) spent.value = 'cancelled'
    await run('cancel', async () => {
      const { outcome } = await api.cancel(acquired.lock, acquired.key)
      return `200: ${outcome}`
    })
  }

  async function renew(): Promise<void> {
    const current = lease.value
    if (!current) return
    await run('renew', async () => {
      const renewed = await api.renew(current.resource, current.lease_id, options.value.ttlMs)
      if (lease.value?.lease_id === current.lease_id) phase.value = { state: 'holding', lease: renewed }
      return `200: TTL ${renewed.ttl_ms} ms`
    })
  }

  async function release(): Promise<void> {
    const current = lease.value
    if (!current) return
    await run('release', async () => {
      await api.release(current.resource, current.lease_id)
      if (lease.value?.lease_id === current.lease_id) end(current, 'released')
      return '200: released'
    })
  }

  async function run(operation: string, send: () => Promise<string>): Promise<void> {
    busy.value = true
    try {
      log(operation, await send(), true)
    } catch (error) {
      logError(operation, error)
    } finally {
      busy.value = false
    }
  }

  /** Watches the lock's events for the end of the held lease. */
  function handleEvents(events: readonly LockEvent[]): void {
    const current = lease.value
    if (!current) return
    for (const event of events) {
      if (event.fencing_token !== current.fencing_token || event.resource !== current.resource) continue
      if (event.kind === 'force_released') end(current, 'force-released')
      else if (event.kind === 'expired' || event.kind === 'released') end(current, event.kind)
    }
  }

  function end(ended: Lease, reason: EndReason): void {
    phase.value = { state: 'ended', token: ended.fencing_token, reason }
  }

  /** Like dropping a guard: gives up the wait or the lease. If the request is lost, the TTL ends the lease. */
  function abandon(): void {
    const current = lease.value
    if (acquisition) void api.cancel(acquired.lock, acquired.key).catch(() => undefined)
    acquisition?.abort()
    acquisition = null
    if (current) void api.release(current.resource, current.lease_id).catch(() => undefined)
  }

  watch(name, () => {
    abandon()
    phase.value = { state: 'idle' }
    busy.value = false
    // A key belongs to a lock.
    spent.value = null
  })
  watch(key, () => {
    spent.value = null
    if (phase.value.state === 'ended') phase.value = { state: 'idle' }
  })
  onScopeDispose(abandon)

  return { phase, responses, spent, busy, acquire, cancel, renew, release, handleEvents }
}

/** A random idempotency key. A new key makes a new request; a reused one repeats the earlier request. */
export function randomKey(): string {
  // `crypto.randomUUID` requires a secure context, which plain HTTP on a host other than loopback is not.
  const bytes = crypto.getRandomValues(new Uint8Array(8))
  return `play-${Array.from(bytes, (byte) => byte.toString(16).padStart(2, '0')).join('')}`
}
