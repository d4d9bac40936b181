// Views that were saved under a name: the address with its filters.

export interface SavedView {
  name: string
  /** Path and query, of this page. */
  address: string
}

export const MAX_VIEWS = 50
export const MAX_VIEW_NAME = 60

/** The views in a value that came from the browser's storage, without those that are none. */
export function readViews(value: unknown): SavedView[] {
  if (!Array.isArray(value)) return []
  return value.filter(isView).slice(0, MAX_VIEWS)
}

function isView(value: unknown): value is SavedView {
  if (typeof value !== 'object' || value === null || !('name' in value) || !('address' in value)) return false
  const { name, address } = value
  // An address that begins with two slashes is that of another host.
  return (
    typeof name === 'string' && name !== '' && typeof address === 'string' && /^\/(?!\/|\\)/.test(address)
  )
}

/** Adds a view, in place of one with the same name. */
export function withView(views: readonly SavedView[], view: SavedView): SavedView[] {
  const others = views.filter(({ name }) => name !== view.name)
  return [...others, view].sort((a, b) => a.name.localeCompare(b.name)).slice(0, MAX_VIEWS)
}
