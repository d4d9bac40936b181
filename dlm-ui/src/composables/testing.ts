// Helpers for testing composables: a fake event stream, a disposable scope, and control over time and responses.
import { createPinia, setActivePinia } from 'pinia'
import { effectScope } from 'vue'
import { vi } from 'vitest'
import type { Authenticate, Gap, StreamFilter, StreamHandlers } from '../api/eventSocket'
import type { StreamMessage } from '../api/types'

/** Stands in for `EventSocket`. At most one is open. */
export class FakeStream {
  static current: FakeStream | null = null
  cursor: string | null = null
  lastActivityAt = 0

  constructor(
    readonly filter: StreamFilter,
    private readonly handlers: StreamHandlers,
    readonly authenticate: Authenticate,
  ) {}

  start(cursor: string | null): void {
    this.cursor = cursor
    FakeStream.current = this
    this.handlers.state('live')
  }

  stop(): void {
    if (FakeStream.current === this) FakeStream.current = null
    this.handlers.state('stopped')
  }

  emit(...messages: StreamMessage[]): void {
    for (const message of messages) if ('cursor' in message) this.cursor = message.cursor
    this.handlers.messages(messages)
  }

  emitGap(gap: Gap): void {
    this.stop()
    this.handlers.gap(gap)
  }
}

/** The open stream. */
export function stream(): FakeStream {
  if (!FakeStream.current) throw new Error('no stream is open')
  return FakeStream.current
}

/** Runs a composable in its own effect scope with fresh stores. */
export function inScope<T>(setup: () => T): { result: T; dispose: () => void } {
  setActivePinia(createPinia())
  const scope = effectScope()
  const result = scope.run(setup) as T
  return { result, dispose: () => scope.stop() }
}

/** Advances the fake timers and flushes pending promises. */
export async function settle(ms = 0): Promise<void> {
  await vi.advanceTimersByTimeAsync(ms)
}

/** A promise that the test resolves or rejects. */
export function deferred<T>(): {
  promise: Promise<T>
  resolve: (value: T) => void
  reject: (error: Error) => void
} {
  let resolve!: (value: T) => void
  let reject!: (error: Error) => void
  const promise = new Promise<T>((onResolve, onReject) => {
    resolve = onResolve
    reject = onReject
  })
  return { promise, resolve, reject }
}
