import { defineStore } from 'pinia'
import { computed, ref } from 'vue'
import { useClock } from './clock'

export type Link = 'loading' | 'live' | 'paused' | 'away'

/** So long a break is not yet worth greying the page for. */
const BRIEF_MS = 2_000

/** Whether what is on the page is what is so now. */
export const useConnection = defineStore('connection', () => {
  const clock = useClock()
  const link = ref<Link>('loading')
  /** The server's clock when the connection was last good. */
  const lastGood = ref<number | null>(null)
  /** Something that happened to the connection, for people to read. */
  const notice = ref<string | null>(null)

  function become(next: Link): void {
    if (next === 'away' && link.value !== 'away') lastGood.value = Date.now() + clock.offset
    if (next === 'live') lastGood.value = null
    link.value = next
  }

  const staleSince = computed(() =>
    link.value === 'away' && lastGood.value !== null && clock.now - lastGood.value > BRIEF_MS
      ? lastGood.value
      : null,
  )
  const stale = computed(() => link.value === 'away')

  return { link, lastGood, notice, staleSince, stale, become }
})
