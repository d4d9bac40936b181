// Finds locks by a part of their name, by metadata or by a fencing token, and owners, for what was typed.
import { computed, onScopeDispose, ref, shallowRef, watch, type Ref } from 'vue'
import { api, ApiError, UnreachableError } from '../api/client'
import { MAX_PAGE } from '../api/limits'
import type { LockStatus, OwnerSummary } from '../api/types'
import { bestMatches, typedToken } from '../lib/palette'

/** The server finds names. For tokens and metadata this many locks that are held are loaded, and searched here. */
export const MAX_LOADED = 5_000
const MAX_FOUND = 8
/** More names than are shown, of which the best are. */
const ENOUGH_NAMES = 50
const DEBOUNCE_MS = 120
/** A search of names goes on after a pause as long as its last request took, so that it takes half of the time. */
const MAX_PAUSE_MS = 1_000

export interface FoundLock {
  row: LockStatus
  /** The fencing token that was typed, if a holder has it. */
  token: number | null
  /** The entry of a holder's metadata that was typed, as `key=value`. */
  metadata: string | null
}

/** How far the names were searched for what was typed; in part if enough were found, or the server failed. */
export type NameSearch = 'searching' | 'in-part' | 'complete'

export function useFinder(typed: Readonly<Ref<string>>) {
  const loaded = shallowRef<readonly LockStatus[]>([])
  /** There are more locks that are held than were loaded. */
  const truncated = ref(false)
  /** A lock that was loaded has more holders than are listed, which were not searched. */
  const unlisted = ref(false)
  const named = shallowRef<readonly LockStatus[]>([])
  const names = ref<NameSearch>('complete')
  const owners = shallowRef<readonly OwnerSummary[]>([])
  const controller = new AbortController()
  let asked: AbortController | null = null
  let timer: ReturnType<typeof setTimeout> | undefined

  async function loadHeld(): Promise<void> {
    let after: string | null = null
    do {
      const page = await api.list('', 'held', MAX_PAGE, after, controller.signal)
      loaded.value = [...loaded.value, ...page.locks]
      unlisted.value ||= page.locks.some(({ holder_count, holders }) => holder_count > holders.length)
      after = page.next ?? null
    } while (after !== null && loaded.value.length < MAX_LOADED)
    truncated.value = after !== null
  }

  /** Those that begin with it are found at once, however many names there are. */
  async function findByPrefix(text: string, signal: AbortSignal): Promise<void> {
    const { locks } = await api.list(text, 'all', MAX_FOUND, null, signal)
    signal.throwIfAborted()
    named.value = [...locks, ...named.value]
  }

  /** A request looks at a part of the names. */
  async function findNames(text: string, signal: AbortSignal): Promise<void> {
    let after: string | null = null
    let found = 0
    while (found < ENOUGH_NAMES) {
      const sentAt = performance.now()
      const page = await api.find(text, ENOUGH_NAMES - found, after, signal)
      signal.throwIfAborted()
      named.value = [...named.value, ...page.locks]
      found += page.locks.length
      after = page.next ?? null
      if (after === null) {
        names.value = 'complete'
        return
      }
      if (found < ENOUGH_NAMES) await pause(performance.now() - sentAt, signal)
    }
    names.value = 'in-part'
  }

  async function findOwners(text: string, signal: AbortSignal): Promise<void> {
    const page = await api.owners({ contains: text }, MAX_FOUND, signal)
    signal.throwIfAborted()
    owners.value = page.owners
  }

  async function ask(text: string): Promise<void> {
    asked = new AbortController()
    const signal = AbortSignal.any([asked.signal, controller.signal])
    await Promise.all([
      ignoreFailure(findByPrefix(text, signal), signal),
      ignoreFailure(findNames(text, signal), signal, () => (names.value = 'in-part')),
      ignoreFailure(findOwners(text, signal), signal),
    ])
  }

  watch(typed, (text) => {
    clearTimeout(timer)
    asked?.abort()
    named.value = []
    owners.value = []
    names.value = text === '' ? 'complete' : 'searching'
    if (text !== '') timer = setTimeout(() => void ask(text), DEBOUNCE_MS)
  })
  onScopeDispose(() => {
    clearTimeout(timer)
    controller.abort()
  })
  void ignoreFailure(loadHeld(), controller.signal)

  const locks = computed<FoundLock[]>(() => {
    if (typed.value === '') return []
    const token = typedToken(typed.value)
    const holding = loaded.value.filter(
      (row) => token !== null && row.holders.some(({ fencing_token }) => fencing_token === token),
    )
    const byName = bestMatches(
      typed.value,
      [...loaded.value, ...named.value],
      ({ resource }) => resource,
      // A lock may be among them twice or three times.
      3 * MAX_FOUND,
    )
    const found = new Map<string, FoundLock>()
    const add = (lock: FoundLock) => {
      if (found.size < MAX_FOUND && !found.has(lock.row.resource)) found.set(lock.row.resource, lock)
    }
    for (const row of holding) add({ row, token, metadata: null })
    for (const row of byName) add({ row, token: null, metadata: null })
    for (const row of loaded.value) {
      if (found.size === MAX_FOUND) break
      const metadata = typedMetadata(typed.value, row)
      if (metadata !== null) add({ row, token: null, metadata })
    }
    return [...found.values()]
  })

  return { locks, owners, names, truncated, unlisted }
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

function pause(ms: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const timer = setTimeout(resolve, Math.min(ms, MAX_PAUSE_MS))
    signal.addEventListener('abort', () => {
      clearTimeout(timer)
      resolve()
    })
  })
}

/** What can't be found is not offered; the page itself says what is wrong. */
async function ignoreFailure(
  task: Promise<unknown>,
  signal: AbortSignal,
  onFailure: () => void = () => undefined,
): Promise<void> {
  try {
    await task
  } catch (failure) {
    if (signal.aborted) return
    if (!(failure instanceof ApiError) && !(failure instanceof UnreachableError)) throw failure
    onFailure()
  }
}
