// The end of the event log as a list that grows: the newest events first, then what happens.
import { nextTick, onScopeDispose, ref, shallowRef, watch, type Ref } from 'vue'
import { api, type ApiError } from '../api/client'
import type { EventKind, LockEvent, StreamMessage } from '../api/types'
import { useConnection } from '../stores/connection'
import { useEventStream } from './useEventStream'
import { useRetry } from './useRetry'

const FIRST_LOAD = 200
/** Where only some kinds are wanted, more is loaded to have enough of these. */
const FIRST_LOAD_OF_SOME = 1_000
const MOST_SHOWN = 500
/** More than this is not kept for one who paused; the stream resumes from the cursor instead. */
const MOST_HELD_BACK = 1_000
/** When much happens the list is drawn this often, and loaded anew after this pause when it can't keep up. */
const DRAW_MS = 150
const DRAW_SHARE = 4
const RELOAD_MS = 2_000

export interface TailOptions {
  prefix: Ref<string>
  resource: Ref<string>
  kinds: Ref<readonly EventKind[]>
  paused: Ref<boolean>
}

export function useEventTail({ prefix, resource, kinds, paused }: TailOptions) {
  const connection = useConnection()
  /** Newest first. */
  const events = shallowRef<LockEvent[]>([])
  /** How many came since it was loaded. */
  const arrived = ref(0)
  const loaded = ref(false)
  const refused = ref<string | null>(null)
  /** How many came since it was paused. */
  const heldBack = ref(0)
  let kept: LockEvent[] = []
  let undrawn: LockEvent[] = []
  let drawing: ReturnType<typeof setTimeout> | undefined
  let reloading: ReturnType<typeof setTimeout> | undefined
  let drawNext = Number.NEGATIVE_INFINITY
  let resumeAt: string | null = null
  /** While it was paused, the stream broke off for good. */
  let broken = false

  const wanted = (event: LockEvent) => kinds.value.length === 0 || kinds.value.includes(event.kind)

  const { load } = useRetry((error: ApiError) => {
    refused.value = error.message
    loaded.value = true
  })
  const stream = useEventStream(() => ({ prefix: prefix.value, resource: resource.value }), {
    messages: take,
    state: (state) => {
      if (state === 'live' && paused.value) connection.become('paused')
    },
    gap: (why) => {
      if (paused.value) {
        // What one looks at stays until one resumes.
        broken = true
        connection.become('paused')
      } else if (why === 'cursor-lost') {
        connection.notice = 'The server no longer had the events since the last look; the newest were loaded.'
        reload()
      } else {
        connection.fallBehind('Too much happens to show each event; the newest are loaded every few seconds.')
        reloading = setTimeout(reload, RELOAD_MS)
      }
    },
  })

  function reload(): void {
    clearTimeout(reloading)
    stream.stop()
    clearHeldBack()
    undrawn = []
    broken = false
    void load(async (signal) => {
      const most = kinds.value.length === 0 ? FIRST_LOAD : FIRST_LOAD_OF_SOME
      const page = await api.newestEvents(prefix.value, resource.value, most, signal)
      events.value = page.events.filter(wanted).reverse().slice(0, MOST_SHOWN)
      arrived.value = 0
      resumeAt = page.cursor
      loaded.value = true
      refused.value = null
      stream.start(page.cursor)
    })
  }

  function take(batch: StreamMessage[]): void {
    // Those that are not wanted must not take the place of those that are.
    const happened = batch.filter((message) => message.type === 'event').filter(wanted)
    if (!paused.value) {
      show(happened)
      return
    }
    heldBack.value += happened.length
    if (kept.length <= MOST_HELD_BACK) kept.push(...happened)
  }

  function show(happened: readonly LockEvent[]): void {
    if (happened.length === 0) return
    undrawn.push(...happened)
    drawing ??= setTimeout(() => void draw(), Math.max(0, drawNext - performance.now()))
  }

  async function draw(): Promise<void> {
    drawing = undefined
    const before = performance.now()
    events.value = [...undrawn.slice(-MOST_SHOWN).reverse(), ...events.value].slice(0, MOST_SHOWN)
    arrived.value += undrawn.length
    undrawn = []
    drawNext = before + DRAW_MS
    await nextTick()
    // Drawing leaves most of the time to taking in what comes.
    drawNext = Math.max(drawNext, performance.now() + DRAW_SHARE * (performance.now() - before))
  }

  function clearHeldBack(): void {
    kept = []
    heldBack.value = 0
  }

  watch(paused, (now) => {
    if (now) {
      resumeAt = stream.cursor() ?? resumeAt
      if (connection.link === 'live') connection.become('paused')
      return
    }
    if (broken) {
      reload()
      return
    }
    const overflowed = kept.length > MOST_HELD_BACK
    const missed = kept
    clearHeldBack()
    if (overflowed) {
      stream.start(resumeAt)
    } else {
      show(missed)
      if (connection.link === 'paused') connection.become('live')
    }
  })
  watch([prefix, resource, () => kinds.value.join()], reload)
  onScopeDispose(() => {
    clearTimeout(drawing)
    clearTimeout(reloading)
  })
  reload()

  return { events, arrived, loaded, refused, heldBack }
}
