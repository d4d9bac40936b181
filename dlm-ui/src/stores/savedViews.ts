import { defineStore } from 'pinia'
import { shallowRef } from 'vue'
import { loadJson, saveJson } from '../lib/localStore'
import { readViews, withView, type SavedView } from '../state/savedViews'

/** The views that were saved in this browser. */
export const useSavedViews = defineStore('savedViews', () => {
  const views = shallowRef<SavedView[]>(loadJson('views', readViews))

  function replace(next: SavedView[]): void {
    views.value = next
    saveJson('views', next)
  }

  return {
    views,
    save: (view: SavedView) => replace(withView(views.value, view)),
    remove: (name: string) => replace(views.value.filter((view) => view.name !== name)),
  }
})
