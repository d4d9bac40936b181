// Finds locks by a part of their name or of their metadata, or by a fencing token, and owners, for what was
// typed.
import { computed, onScopeDispose, shallowRef, watch, type Ref } from 'vue'
import { api, ApiError, UnreachableError } from '../api/client'
import { MAX_PAGE } from '../api/limits'
import type { LockStatus, OwnerSummary } from '../api/types'
import { bestMatches, typedToken } from '../lib/palette'

/** The server finds names by their start. For other parts of a name this many are loaded, and searched here. */
export const MAX_NAMES = 5_000
const MAX_FOUND = 8
const DEBOUNCE_MS = 120

export interface FoundLock {
  row: LockStatus
  /** The fencing token that was typed, if a holder has it. */
  token: number | null
  /** The entry of a holder's metadata that was typed, as `key=value`. */
  metadata: string | null
}

export function useFinder(typed: Readonly<Ref<string>>) {
  const rows = shallowRef<readonly LockStatus[]>([])
  /** There are more names than were loaded. */
  const truncated = shallowRef(false)
  const byPrefix = shallowRef<readonly LockStatus[]>([])
  const owners = shallowRef<readonly OwnerSummary[]>([])
  const controller = new AbortController()
  let asked: AbortController | null = null
  let timer: ReturnType<typeof setTimeout> | undefined

  async function loadNames(): Promise<void> {
    let after: string | null = null
    do {
      const page = await api.list('', 'all', MAX_PAGE, after, controller.signal)
      rows.value = [...rows.value, ...page.locks]
      after = page.next ?? null
    } while (after !== null && rows.value.length < MAX_NAMES)
    truncated.value = after !== null
  }

  async function ask(text: string): Promise<void> {
    asked?.abort()
    asked = new AbortController()
    const signal = AbortSignal.any([asked.signal, controller.signal])
    const found = (page: { locks: LockStatus[] }) => {
      if (!signal.aborted) byPrefix.value = page.locks
    }
    await Promise.all([
      ignoreFailure(api.list(text, 'all', MAX_FOUND, null, signal).then(found), signal),
      ignoreFailure(
        api.owners(text, MAX_FOUND, null, signal).then((page) => {
          if (!signal.aborted) owners.value = page.owners
        }),
        signal,
      ),
    ])
  }

  watch(typed, (text) => {
    clearTimeout(timer)
    byPrefix.value = []
    owners.value = []
    if (text !== '') timer = setTimeout(() => void ask(text), DEBOUNCE_MS)
  })
  onScopeDispose(() => {
    clearTimeout(timer)
    controller.abort()
  })
  void ignoreFailure(loadNames(), controller.signal)

  const locks = computed<FoundLock[]>(() => {
    if (typed.value === '') return []
    const token = typedToken(typed.value)
    const holding = rows.value.filter(
      (row) => token !== null && row.holders.some(({ fencing_token }) => fencing_token === token),
    )
    const named = bestMatches(typed.value, rows.value, ({ resource }) => resource, MAX_FOUND)
    const found = new Map<string, FoundLock>()
    const add = (lock: FoundLock) => {
      if (found.size < MAX_FOUND && !found.has(lock.row.resource)) found.set(lock.row.resource, lock)
    }
    for (const row of holding.slice(0, MAX_FOUND)) add({ row, token, metadata: null })
    for (const row of [...named, ...byPrefix.value]) add({ row, token: null, metadata: null })
    for (const row of rows.value) {
      if (found.size === MAX_FOUND) break
      const metadata = typedMetadata(typed.value, row)
      if (metadata !== null) add({ row, token: null, metadata })
    }
    return [...found.values()]
  })

  return { locks, owners, truncated }
}

/** The first entry of a holder's metadata, as `key=value`, that contains what was typed. */
function typedMetadata(typed: string, { holders }: LockStatus): string | null {
  const part = typed.toLowerCase()
  for (const { metadata } of holders) {
    for (const [key, value] of Object.entries(metadata)) {
      const entry = `${key}=${value}`
      if (entry.toLowerCase().includes(part)) return entry
    }
  }
  return null
}

/** What can't be found is not offered; the page itself says what is wrong. */
async function ignoreFailure(task: Promise<unknown>, signal: AbortSignal): Promise<void> {
  try {
    await task
  } catch (failure) {
    if (signal.aborted || failure instanceof ApiError || failure instanceof UnreachableError) return
    throw failure
  }
}
