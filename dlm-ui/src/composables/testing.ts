// What composables run in, for their tests: a scope that ends, stores of their own, a stream that says what it is told.
import { createPinia, setActivePinia } from 'pinia'
import { effectScope } from 'vue'
import { vi } from 'vitest'
import type { StreamFilter, StreamHandlers } from '../api/eventSocket'
import type { LockStatus } from '../api/types'
import { row } from '../state/samples'

/** Stands in for the socket; the newest one is the one that is open. */
export class FakeStream {
  static newest: FakeStream | null = null
  cursor: string | null = null
  heardAt = 0

  constructor(
    readonly filter: StreamFilter,
    private readonly handlers: StreamHandlers,
  ) {}

  start(cursor: string | null): void {
    this.cursor = cursor
    FakeStream.newest = this
    this.handlers.state('live')
  }

  stop(): void {
    if (FakeStream.newest === this) FakeStream.newest = null
  }

  says(...messages: Parameters<StreamHandlers['messages']>[0]): void {
    for (const message of messages) if ('cursor' in message) this.cursor = message.cursor
    this.handlers.messages(messages)
  }

  gives(why: Parameters<StreamHandlers['gap']>[0]): void {
    this.stop()
    this.handlers.gap(why)
  }
}

/** The stream that is open. */
export function stream(): FakeStream {
  if (!FakeStream.newest) throw new Error('no stream is open')
  return FakeStream.newest
}

export function inScope<T>(use: () => T): { made: T; end: () => void } {
  setActivePinia(createPinia())
  const scope = effectScope()
  const made = scope.run(use) as T
  return { made, end: () => scope.stop() }
}

/** Lets what was answered arrive. */
export async function settle(ms = 0): Promise<void> {
  await vi.advanceTimersByTimeAsync(ms)
}

/** An answer that comes when it is told to. */
export function later<T>(): {
  promise: Promise<T>
  answer: (value: T) => void
  fail: (error: Error) => void
} {
  let answer!: (value: T) => void
  let fail!: (error: Error) => void
  const promise = new Promise<T>((resolve, reject) => {
    answer = resolve
    fail = reject
  })
  return { promise, answer, fail }
}

export function held(resource: string, version: number, part: Partial<LockStatus> = {}): LockStatus {
  return row({
    resource,
    version,
    state: 'held',
    mode: 'exclusive',
    current_token: version,
    holder_count: 1,
    holders: [
      {
        mode: 'exclusive',
        owner: 'one',
        fencing_token: version,
        ttl_ms: 30_000,
        acquired_at: '2099-01-01T00:00:00.000Z',
        expires_at: '2099-01-01T00:00:30.000Z',
        metadata: {},
      },
    ],
    ...part,
  })
}
