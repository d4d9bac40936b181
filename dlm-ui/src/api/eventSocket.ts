// The event stream as a WebSocket that comes back by itself and resumes where it was.
//
// Messages are handed out in batches, one a frame at most, so that a burst costs one drawing. While the page is
// hidden nothing is handed out; when too much has piled up the socket is closed and resumes once the page is seen.
import type { StreamMessage } from './types'

export type StreamState = 'connecting' | 'replaying' | 'live' | 'away' | 'stopped'

/** Why what was shown can't be brought up to date event by event. */
export type Gap = 'cursor-lost' | 'too-many'

export interface StreamFilter {
  prefix?: string
  resource?: string
  renewals?: boolean
}

export interface StreamHandlers {
  messages: (batch: StreamMessage[]) => void
  state: (state: StreamState) => void
  /** The stream has stopped. Load anew and start it again from there. */
  gap: (why: Gap) => void
}

/** The parts of the browser that it uses. */
export interface Surroundings {
  open: (url: string, protocol: string) => WebSocket
  /** Runs a task before the next drawing; the result takes it back. */
  soon: (task: () => void) => () => void
  hidden: () => boolean
  now: () => number
  random: () => number
  base: () => string
}

/** Close codes of the wire. */
const INVALID_CURSOR = 4400
const CURSOR_EXPIRED = 4410
const TOO_SLOW = 4429
/** The server sends something at least every 10 s. */
const SILENCE_MS = 15_000
const FIRST_PAUSE_MS = 200
const LONGEST_PAUSE_MS = 5_000
/** Messages that may wait: a page that is that far behind is better loaded anew. */
const MOST_WAITING = 20_000
const MOST_WAITING_HIDDEN = 2_000
/** How long one batch may keep the page busy. */
const BATCH_MS = 8

export const browser: Surroundings = {
  open: (url, protocol) => new WebSocket(url, protocol),
  soon: (task) => {
    const handle = requestAnimationFrame(task)
    return () => cancelAnimationFrame(handle)
  },
  hidden: () => document.hidden,
  now: () => performance.now(),
  random: () => Math.random(),
  base: () => location.origin.replace(/^http/, 'ws'),
}

export class EventSocket {
  #socket: WebSocket | null = null
  #state: StreamState = 'stopped'
  #waiting: string[] = []
  #takeBack: (() => void) | null = null
  #timer: ReturnType<typeof setTimeout> | undefined
  #silence: ReturnType<typeof setTimeout> | undefined
  #failures = 0
  #heardAt = 0
  /** Where to resume: behind what was handed out last. */
  #cursor: string | null = null

  constructor(
    private readonly filter: StreamFilter,
    private readonly handlers: StreamHandlers,
    private readonly surroundings: Surroundings = browser,
  ) {}

  get cursor(): string | null {
    return this.#cursor
  }

  get state(): StreamState {
    return this.#state
  }

  /** When the server was there last. */
  get heardAt(): number {
    return this.#heardAt
  }

  /** Begins behind a cursor, or now. */
  start(cursor: string | null): void {
    this.#drop()
    this.#cursor = cursor
    this.#failures = 0
    this.#connect()
  }

  stop(): void {
    this.#drop()
    this.#become('stopped')
  }

  /** The page is seen again, or the network is back: tries at once. */
  wake(): void {
    if (this.#state === 'stopped') return
    if (this.#waiting.length > 0) this.#schedule()
    if (!this.#socket) {
      clearTimeout(this.#timer)
      this.#failures = 0
      this.#connect()
    }
  }

  #connect(): void {
    if (this.#state !== 'away') this.#become('connecting')
    const { prefix, resource, renewals } = this.filter
    const query = new URLSearchParams()
    if (prefix) query.set('prefix', prefix)
    if (resource) query.set('resource', resource)
    if (renewals) query.set('renewals', 'true')
    if (this.#cursor !== null) query.set('after', this.#cursor)
    const socket = this.surroundings.open(`${this.surroundings.base()}/v1/events?${query}`, 'dlm.events.v1')
    this.#socket = socket
    this.#waitForWord()
    let there = false
    socket.onopen = () => {
      if (this.#socket !== socket) return
      there = true
      this.#listen()
    }
    socket.onmessage = (message: MessageEvent<string>) => {
      if (this.#socket !== socket) return
      this.#listen()
      this.#waiting.push(message.data)
      if (this.surroundings.hidden() && this.#waiting.length > MOST_WAITING_HIDDEN) {
        this.#sleep()
      } else if (this.#waiting.length > MOST_WAITING) {
        this.#giveUp('too-many')
      } else {
        this.#schedule()
      }
    }
    socket.onclose = (event) => {
      if (this.#socket !== socket) return
      // What had been said before the connection ended was heard.
      if (there) this.#heardAt = this.surroundings.now()
      if (event.code === CURSOR_EXPIRED || event.code === INVALID_CURSOR) this.#giveUp('cursor-lost')
      else if (event.code === TOO_SLOW && this.#waiting.length > 0) this.#giveUp('too-many')
      else this.#retry()
    }
  }

  /** Something was heard: the next silence counts from here. */
  #listen(): void {
    this.#heardAt = this.surroundings.now()
    this.#waitForWord()
  }

  #waitForWord(): void {
    clearTimeout(this.#silence)
    this.#silence = setTimeout(() => this.#retry(), SILENCE_MS)
  }

  #retry(): void {
    this.#drop()
    this.#become('away')
    const longest = Math.min(FIRST_PAUSE_MS * 2 ** this.#failures, LONGEST_PAUSE_MS)
    this.#failures += 1
    this.#timer = setTimeout(() => this.#connect(), longest * (0.5 + this.surroundings.random() / 2))
  }

  /** Nobody looks: what was not handed out is asked for again later. */
  #sleep(): void {
    this.#drop()
    this.#become('away')
  }

  #giveUp(why: Gap): void {
    this.#drop()
    this.#become('stopped')
    this.handlers.gap(why)
  }

  #drop(): void {
    clearTimeout(this.#timer)
    clearTimeout(this.#silence)
    this.#takeBack?.()
    this.#takeBack = null
    this.#waiting = []
    const socket = this.#socket
    this.#socket = null
    if (socket) {
      socket.onopen = socket.onmessage = socket.onclose = null
      socket.close()
    }
  }

  #schedule(): void {
    if (this.#takeBack || this.surroundings.hidden()) return
    this.#takeBack = this.surroundings.soon(() => {
      this.#takeBack = null
      this.#handOut()
    })
  }

  #handOut(): void {
    if (this.surroundings.hidden()) return
    const until = this.surroundings.now() + BATCH_MS
    const batch: StreamMessage[] = []
    let taken = 0
    let synced = false
    for (const text of this.#waiting) {
      taken += 1
      const message = JSON.parse(text) as StreamMessage
      if ('cursor' in message) this.#cursor = message.cursor
      if (message.type === 'synced') synced = true
      batch.push(message)
      if (taken % 64 === 0 && this.surroundings.now() >= until) break
    }
    this.#waiting.splice(0, taken)
    if (this.#waiting.length > 0) this.#schedule()
    if (batch.length > 0) {
      this.#failures = 0
      if (synced) this.#become('live')
      else if (this.#state !== 'live') this.#become('replaying')
      this.handlers.messages(batch)
    }
  }

  #become(state: StreamState): void {
    if (this.#state === state) return
    this.#state = state
    this.handlers.state(state)
  }
}
