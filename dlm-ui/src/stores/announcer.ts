import { defineStore } from 'pinia'
import { ref } from 'vue'

/** So often at most a screen reader is told what changed. */
const EVERY_MS = 8_000

/** What a screen reader says of changes, when it has nothing else to say. */
export const useAnnouncer = defineStore('announcer', () => {
  const message = ref('')
  let last = Number.NEGATIVE_INFINITY
  let pending: string | null = null
  let timer: ReturnType<typeof setTimeout> | undefined

  /** A summary that is worth saying now and then; a newer one takes its place. */
  function summarise(text: string): void {
    clearTimeout(timer)
    pending = text === message.value ? null : text
    if (pending === null) return
    timer = setTimeout(flush, Math.max(500, last + EVERY_MS - Date.now()))
  }

  /** The outcome of what somebody did: said at once. */
  function say(text: string): void {
    pending = text
    flush()
  }

  function flush(): void {
    clearTimeout(timer)
    if (pending === null) return
    message.value = pending
    pending = null
    last = Date.now()
  }

  return { message, summarise, say }
})
