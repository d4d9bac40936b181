import { defineStore } from 'pinia'
import { ref } from 'vue'
import { useAnnouncer } from './announcer'

const SHOWN_MS = 3_000

/** A short text over the page that something was done, which goes away by itself. */
export const useToast = defineStore('toast', () => {
  const announcer = useAnnouncer()
  const text = ref<string | null>(null)
  let timer: ReturnType<typeof setTimeout> | undefined

  function show(next: string): void {
    clearTimeout(timer)
    text.value = next
    announcer.announce(next)
    timer = setTimeout(() => (text.value = null), SHOWN_MS)
  }

  /** Copies a text. The clipboard needs a secure context, loopback or HTTPS. */
  async function copy(copied: string): Promise<void> {
    try {
      await navigator.clipboard.writeText(copied)
      show('Copied')
    } catch {
      show('The browser does not allow this page to copy')
    }
  }

  return { text, show, copy }
})
