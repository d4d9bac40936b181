import { defineStore } from 'pinia'
import { ref } from 'vue'

/** Minimum interval between announced summaries. */
const SUMMARY_INTERVAL_MS = 8_000
/** A summary that changes back within this time is not announced. */
const SUMMARY_DELAY_MS = 500

/** The text of the page's live region, which screen readers announce. */
export const useAnnouncer = defineStore('announcer', () => {
  const message = ref('')
  let lastAnnounced = Number.NEGATIVE_INFINITY
  let pending: string | null = null
  let timer: ReturnType<typeof setTimeout> | undefined

  /** Announces a summary of the page at the next opportunity. A newer summary replaces a pending one. */
  function summarize(text: string): void {
    clearTimeout(timer)
    pending = text === message.value ? null : text
    if (pending === null) return
    const next = lastAnnounced + SUMMARY_INTERVAL_MS - Date.now()
    timer = setTimeout(flush, Math.max(SUMMARY_DELAY_MS, next))
  }

  /** Announces the result of a user action immediately. */
  function announce(text: string): void {
    pending = text
    flush()
  }

  function clear(): void {
    clearTimeout(timer)
    pending = null
    message.value = ''
  }

  function flush(): void {
    clearTimeout(timer)
    if (pending === null) return
    message.value = pending
    pending = null
    lastAnnounced = Date.now()
  }

  return { message, summarize, announce, clear }
})
