import { defineStore } from 'pinia'
import { ref, watch, watchEffect } from 'vue'
import type { Zone } from '../lib/format'

export type Theme = 'system' | 'light' | 'dark'
export type TimeStyle = 'relative' | 'absolute'

const THEMES: readonly Theme[] = ['system', 'light', 'dark']
const STYLES: readonly TimeStyle[] = ['relative', 'absolute']
const ZONES: readonly Zone[] = ['utc', 'local']
const KEYS = ['on', 'off'] as const

/** How one likes to see the page; kept by the browser. */
export const useSettings = defineStore('settings', () => {
  const theme = ref(kept('theme', THEMES, 'system'))
  const times = ref(kept('times', STYLES, 'relative'))
  const zone = ref(kept('zone', ZONES, 'utc'))
  /** Keys without Ctrl or Alt: who speaks to the computer, or hits keys by accident, does without. */
  const keys = ref<(typeof KEYS)[number]>(kept('keys', KEYS, 'on'))

  watchEffect(() => {
    const root = document.documentElement
    if (theme.value === 'system') delete root.dataset['theme']
    else root.dataset['theme'] = theme.value
  })
  for (const [name, setting] of Object.entries({ theme, times, zone, keys })) {
    watch(setting, (value) => keep(name, value))
  }
  return { theme, times, zone, keys }
})

function kept<T extends string>(name: string, known: readonly T[], otherwise: T): T {
  try {
    const value = localStorage.getItem(`dlm.${name}`)
    return known.find((one) => one === value) ?? otherwise
  } catch {
    // The browser may refuse to keep anything for this page.
    return otherwise
  }
}

function keep(name: string, value: string): void {
  try {
    localStorage.setItem(`dlm.${name}`, value)
  } catch {
    // It holds until the page is left, then.
  }
}
