import { defineStore } from 'pinia'
import { shallowRef } from 'vue'
import { loadJson, saveJson } from '../lib/localStore'

function readNames(value: unknown): string[] {
  return Array.isArray(value) ? value.filter((name) => typeof name === 'string') : []
}

/** Which columns the list of locks leaves out, stored in the browser. */
export const useListColumns = defineStore('listColumns', () => {
  const hidden = shallowRef<string[]>(loadJson('hidden-columns', readNames))

  function toggle(id: string): void {
    hidden.value = hidden.value.includes(id)
      ? hidden.value.filter((other) => other !== id)
      : [...hidden.value, id]
    saveJson('hidden-columns', hidden.value)
  }

  return { hidden, toggle }
})
