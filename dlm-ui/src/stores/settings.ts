import { defineStore } from 'pinia'
import { ref, watch, watchEffect } from 'vue'
import type { Zone } from '../lib/format'

export type Theme = 'system' | 'light' | 'dark'
export type TimeStyle = 'relative' | 'absolute'
/** `server`: what the server calls a trouble. */
export type TroubleWait = 'server' | '30s' | '1m' | '5m' | '15m'
export type TroubleHold = 'server' | 'off' | '1m' | '10m' | '1h'

const THEMES: readonly Theme[] = ['system', 'light', 'dark']
const TIME_STYLES: readonly TimeStyle[] = ['relative', 'absolute']
const ZONES: readonly Zone[] = ['utc', 'local']
const TROUBLE_WAITS: readonly TroubleWait[] = ['server', '30s', '1m', '5m', '15m']
const TROUBLE_HOLDS: readonly TroubleHold[] = ['server', 'off', '1m', '10m', '1h']
const SWITCH = ['on', 'off'] as const

/** Display preferences, stored in the browser. */
export const useSettings = defineStore('settings', () => {
  const theme = ref(load('theme', THEMES, 'system'))
  const times = ref(load('times', TIME_STYLES, 'relative'))
  const zone = ref(load('zone', ZONES, 'utc'))
  /** Single-key shortcuts interfere with speech input and are easy to hit by accident, so they can be turned off. */
  const keys = ref<(typeof SWITCH)[number]>(load('keys', SWITCH, 'on'))
  /** From when on a wait, and a hold while others wait, is a trouble that the title counts. */
  const troubleWait = ref(load('trouble-wait', TROUBLE_WAITS, 'server'))
  const troubleHold = ref(load('trouble-hold', TROUBLE_HOLDS, 'server'))
  /** Whether the browser notifies of troubles that begin. */
  const notify = ref<(typeof SWITCH)[number]>(load('notify', SWITCH, 'off'))

  watchEffect(() => {
    const root = document.documentElement
    if (theme.value === 'system') delete root.dataset['theme']
    else root.dataset['theme'] = theme.value
  })
  const stored = {
    theme,
    times,
    zone,
    keys,
    notify,
    'trouble-wait': troubleWait,
    'trouble-hold': troubleHold,
  }
  for (const [name, setting] of Object.entries(stored)) {
    watch(setting, (value) => save(name, value))
  }
  return { theme, times, zone, keys, troubleWait, troubleHold, notify }
})

function load<T extends string>(name: string, allowed: readonly T[], fallback: T): T {
  try {
    const value = localStorage.getItem(`dlm.${name}`)
    return allowed.find((option) => option === value) ?? fallback
  } catch {
    // The browser may deny access to local storage.
    return fallback
  }
}

function save(name: string, value: string): void {
  try {
    localStorage.setItem(`dlm.${name}`, value)
  } catch {
    // The setting then applies until the page is closed.
  }
}
