import { defineStore } from 'pinia'
import { computed, ref, shallowRef, watch } from 'vue'
import { api, ApiError, UnreachableError } from '../api/client'
import { DEFAULT_PAGE } from '../api/limits'
import type { Overview, WaitGraph } from '../api/types'
import { thresholdsOf } from '../lib/thresholds'
import { findTroubles, type Trouble } from '../lib/troubles'
import { useSettings } from './settings'
import { useSignIn } from './signIn'

const INTERVAL_MS = 10_000
/** A hidden page reads only for notifications. */
const HIDDEN_INTERVAL_MS = 30_000
/** Seconds of the overview: those that mass expirations are counted in. */
const SECONDS = 60
/** As many as the overview has from the event stream, so that both count the same. */
const LOCKS = DEFAULT_PAGE
/** More notifications at once than this say less than their number. */
const MAX_NOTIFICATIONS = 3

/** The current troubles, which are counted in the title, and told by notifications if that was asked for. */
export const useTroubles = defineStore('troubles', () => {
  const settings = useSettings()
  const signIn = useSignIn()
  const overview = shallowRef<Overview | null>(null)
  const graph = shallowRef<WaitGraph | null>(null)
  /** The troubles of the last read; `null` before the first: what was there then has not just begun. */
  let known: ReadonlySet<string> | null = null
  /** Another request would be denied, and recorded, as well. */
  let denied = false
  const opened = ref<string | null>(null)
  /** Aborted when what is read may no longer be seen: an answer that is under way must not bring it back. */
  let reading = new AbortController()

  const troubles = computed<Trouble[]>(() =>
    overview.value === null
      ? []
      : findTroubles(overview.value, graph.value, thresholdsOf(overview.value, settings)),
  )

  async function read(): Promise<void> {
    if (denied) return
    const { signal } = reading
    try {
      const fresh = await api.overview(SECONDS, signal)
      const links = fresh.waiting > 0 ? await api.waitGraph(LOCKS, signal) : null
      if (signal.aborted) return
      overview.value = fresh
      graph.value = links
      tell()
    } catch (failure) {
      if (signal.aborted) return
      // The views say what is wrong. What is not known is not counted.
      if (!(failure instanceof ApiError) && !(failure instanceof UnreachableError)) throw failure
      if (!(failure instanceof ApiError) || failure.missingRole === null) return
      forget()
      denied = true
    }
  }

  function forget(): void {
    reading.abort()
    reading = new AbortController()
    overview.value = null
    graph.value = null
    known = null
    denied = false
  }

  function tell(): void {
    const begun = known === null ? [] : troubles.value.filter(({ key }) => !known?.has(key))
    known = new Set(troubles.value.map(({ key }) => key))
    if (settings.notify === 'off' || begun.length === 0 || Notification.permission !== 'granted') return
    const shown = begun.slice(0, MAX_NOTIFICATIONS)
    for (const trouble of shown) notify(trouble)
    if (begun.length > shown.length)
      notify({ key: 'more', text: `and ${begun.length - shown.length} more troubles`, resource: null })
  }

  function notify({ key, text, resource }: Trouble): void {
    // The tag replaces an earlier one of the same trouble, also of another tab.
    let notification: Notification
    try {
      notification = new Notification('dlm', { body: text, tag: key, icon: '/icon-trouble.svg' })
    } catch {
      // Chrome on Android has the constructor, and refuses it in a page.
      return
    }
    notification.onclick = () => {
      window.focus()
      opened.value = resource
      notification.close()
    }
  }

  /** Asks the browser for notifications. Returns whether they may be shown. */
  async function allow(): Promise<boolean> {
    if (!('Notification' in window)) return false
    return (await Notification.requestPermission()) === 'granted'
  }

  /** Starts reading, and returns a function that stops it. */
  function run(): () => void {
    let timer: ReturnType<typeof setTimeout> | undefined
    let stopped = false
    const step = async () => {
      clearTimeout(timer)
      if (!document.hidden || settings.notify === 'on') await read()
      clearTimeout(timer)
      if (!stopped) timer = setTimeout(() => void step(), document.hidden ? HIDDEN_INTERVAL_MS : INTERVAL_MS)
    }
    const wake = () => {
      if (!document.hidden) void step()
    }
    document.addEventListener('visibilitychange', wake)
    // What was read may include what may no longer be seen.
    const unwatch = watch(
      () => signIn.rules,
      () => {
        forget()
        void step()
      },
    )
    void step()
    return () => {
      stopped = true
      clearTimeout(timer)
      document.removeEventListener('visibilitychange', wake)
      unwatch()
      forget()
    }
  }

  return { troubles, opened, read, allow, run }
})
