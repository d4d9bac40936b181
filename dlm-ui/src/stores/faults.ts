import { defineStore } from 'pinia'
import { ref } from 'vue'

/** Errors of the page itself, which nothing else has handled. */
export const useFaults = defineStore('faults', () => {
  /** What the first one says, until it is dismissed. */
  const message = ref<string | null>(null)

  function report(error: unknown): void {
    message.value ??= error instanceof Error ? error.message : String(error)
  }

  function dismiss(): void {
    message.value = null
  }

  /** Reports all errors that reach the window. Returns a function that ends it. */
  function watchWindow(): () => void {
    const onError = (event: ErrorEvent) => {
      // A browser reports that a size is observed in the next frame only, as an error without a value.
      if (event.error !== null && event.error !== undefined) report(event.error)
    }
    const onRejection = ({ reason }: PromiseRejectionEvent) => report(reason)
    window.addEventListener('error', onError)
    window.addEventListener('unhandledrejection', onRejection)
    return () => {
      window.removeEventListener('error', onError)
      window.removeEventListener('unhandledrejection', onRejection)
    }
  }

  return { message, report, dismiss, watchWindow }
})
