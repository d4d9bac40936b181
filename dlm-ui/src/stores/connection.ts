import { defineStore } from 'pinia'
import { computed, ref } from 'vue'
import { useClock } from './clock'

/** `behind`: the server is there, and the page could not keep up; `idle`: nothing is followed. */
export type Link = 'idle' | 'loading' | 'live' | 'paused' | 'behind' | 'away'

/** So long a break is not yet worth greying the page for. */
const BRIEF_MS = 2_000
/** Who kept up for so long is no longer behind. */
const CALM_MS = 10_000

/** Whether what is on the page is what is so now. */
export const useConnection = defineStore('connection', () => {
  const clock = useClock()
  const link = ref<Link>('loading')
  /** The server's clock when the connection was last good. */
  const lastGood = ref<number | null>(null)
  /** Something that happened to the connection, for people to read. */
  const notice = ref<string | null>(null)

  let passing: string | null = null
  let calming: ReturnType<typeof setTimeout> | undefined

  /** `heardAt` is when the server was heard last, by the browser's steady clock. */
  function become(next: Link, heardAt = performance.now()): void {
    if (next === 'away' && link.value !== 'away') lastGood.value = heardAt + clock.offset
    if (next === 'live') lastGood.value = null
    if (next === 'live' && link.value !== 'live') calming = setTimeout(calm, CALM_MS)
    else if (next !== 'live') clearTimeout(calming)
    link.value = next
  }

  /** Too much happens to show all of it; the notice goes once the page keeps up. */
  function fallBehind(why: string): void {
    notice.value = passing = why
  }

  function calm(): void {
    if (notice.value === passing) notice.value = null
    passing = null
  }

  const staleSince = computed(() =>
    link.value === 'away' && lastGood.value !== null && clock.now - lastGood.value > BRIEF_MS
      ? lastGood.value
      : null,
  )
  const stale = computed(() => link.value === 'away' || link.value === 'behind')

  return { link, notice, staleSince, stale, become, fallBehind }
})
