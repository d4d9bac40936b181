// A WebSocket client for the event stream that reconnects and resumes from its cursor.
//
// Messages are delivered in batches: the first at once, and later ones at most ten times a second. A delivery asks for no
// frame, which would cost the browser more than the messages; whoever draws them does. Nothing is delivered while the page
// is hidden; once too many messages are pending, the socket is closed and resumes when the page becomes visible.
import { readMessage } from './streamMessage'
import type { StreamMessage } from './types'

export type StreamState = 'connecting' | 'replaying' | 'live' | 'reconnecting' | 'stopped'

/**
 * Why the stream can't continue event by event. `access-changed`: other locks can be seen than before. `unreadable`: a
 * message is not what the page expects.
 */
export type Gap = 'cursor-lost' | 'overflow' | 'access-changed' | 'unreadable'

export interface StreamFilter {
  prefix?: string
  resource?: string
  renewals?: boolean
  /** Whether to get the wait-for graph, which no prefix or resource restricts. */
  waitGraph?: boolean
}

export interface StreamHandlers {
  messages: (batch: StreamMessage[]) => void
  state: (state: StreamState) => void
  /** The stream has stopped. Reload the data and start the stream again from the new cursor. */
  gap: (gap: Gap) => void
}

/**
 * Prepares a connection. Resolves to a ticket, or to `null` if the server needs none. Why a server refuses a WebSocket
 * can't be read in a browser, so before a connection is made again, this finds out whether it may be.
 */
export type Authenticate = (reconnecting: boolean, signal: AbortSignal) => Promise<string | null>

/** The browser APIs that the socket depends on. */
export interface BrowserEnvironment {
  openSocket: (url: string, protocols: string[]) => WebSocket
  /** Runs a task after the current one. Returns a function that cancels it. */
  defer: (task: () => void) => () => void
  isHidden: () => boolean
  now: () => number
  random: () => number
  baseUrl: () => string
}

const PROTOCOL = 'dlm.events.v1'
/** A ticket is offered as a subprotocol: a browser can't send headers with a WebSocket, and a URL would be logged. */
const TICKET_PROTOCOL_PREFIX = 'dlm.ticket.'
/** WebSocket close codes of the API. All others, such as those of a lost right, lead to a reconnect. */
const INVALID_CURSOR = 4400
const CURSOR_EXPIRED = 4410
const TOO_SLOW = 4429
/** The server sends at least a bookmark every 10 s. */
const SILENCE_TIMEOUT_MS = 15_000
const MIN_BACKOFF_MS = 200
const MAX_BACKOFF_MS = 5_000
/** Beyond this many pending messages, a reload is cheaper than catching up. */
const MAX_PENDING = 20_000
const MAX_PENDING_HIDDEN = 2_000
/** How long parsing one batch may block the main thread. */
const BATCH_BUDGET_MS = 8
/** The pause after a batch that left nothing pending. */
const DELIVERY_INTERVAL_MS = 100
/** How long the server collects live events for a message: each message costs the browser more than an event in it. */
const BATCH_MS = 100

export const browserEnvironment: BrowserEnvironment = {
  openSocket: (url, protocols) => new WebSocket(url, protocols),
  defer: (task) => {
    const timer = setTimeout(task)
    return () => clearTimeout(timer)
  },
  isHidden: () => document.hidden,
  now: () => performance.now(),
  random: () => Math.random(),
  baseUrl: () => location.origin.replace(/^http/, 'ws'),
}

export class EventSocket {
  #socket: WebSocket | null = null
  /** Aborts the preparation of a connection. */
  #preparation: AbortController | null = null
  #state: StreamState = 'stopped'
  #pending: string[] = []
  #cancelDelivery: (() => void) | null = null
  #nextDeliveryAt = Number.NEGATIVE_INFINITY
  #reconnectTimer: ReturnType<typeof setTimeout> | undefined
  #silenceTimer: ReturnType<typeof setTimeout> | undefined
  #failures = 0
  #lastActivityAt = 0
  /** The cursor of the last delivered message. */
  #cursor: string | null = null

  constructor(
    private readonly filter: StreamFilter,
    private readonly handlers: StreamHandlers,
    private readonly authenticate: Authenticate,
    private readonly environment: BrowserEnvironment = browserEnvironment,
  ) {}

  get cursor(): string | null {
    return this.#cursor
  }

  get state(): StreamState {
    return this.#state
  }

  /** When the server was last known to be connected. */
  get lastActivityAt(): number {
    return this.#lastActivityAt
  }

  /** Streams the events after the cursor, or from now on if it is `null`. */
  start(cursor: string | null): void {
    this.#disconnect()
    this.#cursor = cursor
    this.#failures = 0
    this.#connect()
  }

  stop(): void {
    this.#disconnect()
    this.#setState('stopped')
  }

  /** Reconnects and delivers pending messages at once: the page became visible, or the network is back. */
  wake(): void {
    if (this.#state === 'stopped') return
    if (this.#pending.length > 0) this.#scheduleDelivery()
    if (!this.#socket && !this.#preparation) {
      clearTimeout(this.#reconnectTimer)
      this.#failures = 0
      this.#connect()
    }
  }

  #connect(): void {
    const reconnecting = this.#state === 'reconnecting'
    if (!reconnecting) this.#setState('connecting')
    const preparation = new AbortController()
    this.#preparation = preparation
    this.authenticate(reconnecting, preparation.signal).then(
      (ticket) => {
        if (preparation.signal.aborted) return
        this.#preparation = null
        this.#open(ticket)
      },
      () => {
        if (!preparation.signal.aborted) this.#reconnectLater()
      },
    )
  }

  #open(ticket: string | null): void {
    const protocols = ticket === null ? [PROTOCOL] : [PROTOCOL, TICKET_PROTOCOL_PREFIX + ticket]
    const socket = this.environment.openSocket(this.#url(), protocols)
    this.#socket = socket
    this.#watchForSilence(this.environment.now())
    let opened = false
    socket.onopen = () => {
      if (this.#socket !== socket) return
      opened = true
      this.#lastActivityAt = this.environment.now()
    }
    socket.onmessage = (message: MessageEvent<string>) => {
      if (this.#socket !== socket) return
      this.#lastActivityAt = this.environment.now()
      this.#pending.push(...message.data.split('\n'))
      if (this.environment.isHidden() && this.#pending.length > MAX_PENDING_HIDDEN) {
        this.#suspend()
      } else if (this.#pending.length > MAX_PENDING) {
        this.#fail('overflow')
      } else {
        this.#scheduleDelivery()
      }
    }
    socket.onclose = (event) => {
      if (this.#socket !== socket) return
      // The connection was good until it closed, even if no message arrived for a while.
      if (opened) this.#lastActivityAt = this.environment.now()
      if (event.code === CURSOR_EXPIRED || event.code === INVALID_CURSOR) this.#fail('cursor-lost')
      else if (event.code === TOO_SLOW && this.#pending.length > 0) this.#fail('overflow')
      else this.#reconnectLater()
    }
  }

  #url(): string {
    const { prefix, resource, renewals, waitGraph } = this.filter
    const query = new URLSearchParams({ batch_ms: `${BATCH_MS}` })
    if (prefix) query.set('prefix', prefix)
    if (resource) query.set('resource', resource)
    if (renewals) query.set('renewals', 'true')
    if (waitGraph) query.set('wait_graph', 'true')
    if (this.#cursor !== null) query.set('after', this.#cursor)
    return `${this.environment.baseUrl()}/v1/events?${query}`
  }

  /** Reconnects if nothing has arrived since. A timer for each message would cost more than to read it. */
  #watchForSilence(since: number): void {
    const silent = this.environment.now() - Math.max(since, this.#lastActivityAt)
    if (silent >= SILENCE_TIMEOUT_MS) this.#reconnectLater()
    else this.#silenceTimer = setTimeout(() => this.#watchForSilence(since), SILENCE_TIMEOUT_MS - silent)
  }

  #reconnectLater(): void {
    this.#disconnect()
    this.#setState('reconnecting')
    const backoff = Math.min(MIN_BACKOFF_MS * 2 ** this.#failures, MAX_BACKOFF_MS)
    this.#failures += 1
    const jitter = 0.5 + this.environment.random() / 2
    this.#reconnectTimer = setTimeout(() => this.#connect(), backoff * jitter)
  }

  /** Closes the socket until `wake`. Undelivered messages are replayed from the cursor. */
  #suspend(): void {
    this.#disconnect()
    this.#setState('reconnecting')
  }

  #fail(gap: Gap): void {
    this.#disconnect()
    this.#setState('stopped')
    this.handlers.gap(gap)
  }

  #disconnect(): void {
    clearTimeout(this.#reconnectTimer)
    clearTimeout(this.#silenceTimer)
    this.#cancelDelivery?.()
    this.#cancelDelivery = null
    this.#pending = []
    this.#preparation?.abort()
    this.#preparation = null
    const socket = this.#socket
    this.#socket = null
    if (socket) {
      socket.onopen = socket.onmessage = socket.onclose = null
      socket.close()
    }
  }

  #scheduleDelivery(): void {
    if (this.#cancelDelivery || this.environment.isHidden()) return
    const pause = this.#nextDeliveryAt - this.environment.now()
    if (pause <= 0) {
      this.#deliverSoon()
      return
    }
    const timer = setTimeout(() => this.#deliverSoon(), pause)
    this.#cancelDelivery = () => clearTimeout(timer)
  }

  #deliverSoon(): void {
    this.#cancelDelivery = this.environment.defer(() => {
      this.#cancelDelivery = null
      this.#deliver()
    })
  }

  #deliver(): void {
    if (this.environment.isHidden()) return
    const deadline = this.environment.now() + BATCH_BUDGET_MS
    const batch: StreamMessage[] = []
    let synced = false
    let read = 0
    for (const text of this.#pending) {
      const message = readMessage(text)
      if (message === 'invalid') {
        this.#fail('unreadable')
        return
      }
      read += 1
      if (message !== 'unknown') {
        if ('cursor' in message) this.#cursor = message.cursor
        if (message.type === 'synced') synced = true
        batch.push(message)
      }
      if (read % 64 === 0 && this.environment.now() >= deadline) break
    }
    this.#pending.splice(0, read)
    if (this.#pending.length > 0) this.#deliverSoon()
    else this.#nextDeliveryAt = this.environment.now() + DELIVERY_INTERVAL_MS
    if (batch.length > 0) {
      this.#failures = 0
      if (synced) this.#setState('live')
      else if (this.#state !== 'live') this.#setState('replaying')
      this.handlers.messages(batch)
    }
  }

  #setState(state: StreamState): void {
    if (this.#state === state) return
    this.#state = state
    this.handlers.state(state)
  }
}
