// The end of the event log as a list that grows: the newest events first, then what happens.
import { computed, onScopeDispose, ref, shallowRef, watch, type Ref } from 'vue'
import { api, type ApiError } from '../api/client'
import type { EventKind, LockEvent, StreamMessage } from '../api/types'
import { useConnection } from '../stores/connection'
import { useEventStream } from './useEventStream'
import { useRetry } from './useRetry'

const FIRST_LOAD = 200
const MOST_SHOWN = 500
/** More than this is not kept for one who paused; the stream resumes from the cursor instead. */
const MOST_HELD_BACK = 1_000
/** When much happens the list is drawn this often, and loaded anew after this pause when it can't keep up. */
const DRAW_MS = 150
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
  const all = shallowRef<LockEvent[]>([])
  const loaded = ref(false)
  const refused = ref<string | null>(null)
  /** How many came since it was paused. */
  const heldBack = ref(0)
  let kept: LockEvent[] = []
  let undrawn: LockEvent[] = []
  let drawing: ReturnType<typeof setTimeout> | undefined
  let reloading: ReturnType<typeof setTimeout> | undefined
  let drawnAt = Number.NEGATIVE_INFINITY
  let resumeAt: string | null = null

  const wanted = (event: LockEvent) => kinds.value.length === 0 || kinds.value.includes(event.kind)
  const events = computed(() => all.value.filter(wanted))

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
      if (why === 'cursor-lost') {
        connection.notice = 'The server no longer had the events since the last look; the newest were loaded.'
        reload()
      } else {
        connection.notice = 'Too much happens to show each event; the newest are loaded every few seconds.'
        reloading = setTimeout(reload, RELOAD_MS)
      }
    },
  })

  function reload(): void {
    clearTimeout(reloading)
    stream.stop()
    clearHeldBack()
    undrawn = []
    void load(async (signal) => {
      const page = await api.newestEvents(prefix.value, resource.value, FIRST_LOAD, signal)
      all.value = page.events.toReversed()
      resumeAt = page.cursor
      loaded.value = true
      refused.value = null
      stream.start(page.cursor)
    })
  }

  function take(batch: StreamMessage[]): void {
    const happened = batch.filter((message) => message.type === 'event')
    if (!paused.value) {
      show(happened)
      const last = batch.findLast((message) => 'cursor' in message)
      if (last && 'cursor' in last) resumeAt = last.cursor
      return
    }
    heldBack.value += happened.filter(wanted).length
    if (kept.length <= MOST_HELD_BACK) kept.push(...happened)
  }

  function show(happened: readonly LockEvent[]): void {
    if (happened.length === 0) return
    undrawn.push(...happened)
    drawing ??= setTimeout(draw, Math.max(0, drawnAt + DRAW_MS - performance.now()))
  }

  function draw(): void {
    drawing = undefined
    drawnAt = performance.now()
    all.value = [...undrawn.slice(-MOST_SHOWN).reverse(), ...all.value].slice(0, MOST_SHOWN)
    undrawn = []
  }

  function clearHeldBack(): void {
    kept = []
    heldBack.value = 0
  }

  watch(paused, (now) => {
    if (now) {
      if (connection.link === 'live') connection.become('paused')
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
  watch([prefix, resource], reload)
  onScopeDispose(() => {
    clearTimeout(drawing)
    clearTimeout(reloading)
  })
  reload()

  return { events, loaded, refused, heldBack }
}
