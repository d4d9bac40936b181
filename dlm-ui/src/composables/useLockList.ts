// A live list of locks: loads the pages, then follows the event stream from the cursor of the first page.
import { onScopeDispose, ref, shallowRef, watch, type Ref } from 'vue'
import { api, type ApiError } from '../api/client'
import type { Gap } from '../api/eventSocket'
import { MAX_PAGE } from '../api/limits'
import type { LockStatus, StateFilter, StreamMessage } from '../api/types'
import { LockListModel } from '../state/lockListModel'
import type { Sort } from '../state/sort'
import { useConnection } from '../stores/connection'
import { useDrawScheduler } from './useDrawScheduler'
import { useEventStream } from './useEventStream'
import { useRetry } from './useRetry'
import type { HeldBack } from './useRowFreeze'
import { useRowRefresher } from './useRowRefresher'

/** Small, so that the first rows show quickly. */
const FIRST_PAGE = 200
/** Loading stops here; a longer list is of no use, and a prefix narrows it down. */
const MAX_ROWS = 200_000
/** The interval between reloads while events arrive too fast. */
const RELOAD_INTERVAL_MS = 3_000

export interface LockListOptions {
  prefix: Ref<string>
  filter: Ref<StateFilter>
  sort: Ref<Sort>
  /** While true, the rows of a complete list are updated in place, but none is added, removed or moved. */
  frozen: Ref<boolean>
  /** The names of the rows on screen. */
  visibleNames: Ref<readonly string[]>
}

export function useLockList({ prefix, filter, sort, frozen, visibleNames }: LockListOptions) {
  const connection = useConnection()
  /** The sorted rows; replaced as a whole. */
  const ordered = shallowRef<LockStatus[]>([])
  /** What the rows do not show yet because they are frozen. */
  const heldBack = shallowRef<HeldBack>({ added: 0, gone: 0 })
  /** The rows are those of all pages: of the previous load, while the same list is loaded again. */
  const whole = ref(false)
  const truncated = ref(false)
  const error = shallowRef<ApiError | null>(null)

  let model = new LockListModel(filter.value)
  let complete = false
  /** The model is not shown yet: during a reload the previous rows stay on screen until the list is complete. */
  let staged = false
  let reloadTimer: ReturnType<typeof setTimeout> | undefined

  const scheduler = useDrawScheduler([draw])
  const stream = useEventStream(() => ({ prefix: prefix.value, renewals: true }), {
    messages: handleMessages,
    gap: handleGap,
  })
  const { load } = useRetry((failure: ApiError) => {
    error.value = failure
    model = new LockListModel(filter.value)
    ordered.value = []
  })
  useRowRefresher({ model: () => model, visibleNames, onRefreshed: scheduler.schedule })

  /** Loads the list. A reload of the same list stays invisible until it is complete; another list shows page by page. */
  function reload({ sameList }: { sameList: boolean }): void {
    clearTimeout(reloadTimer)
    stream.stop()
    const previous = model
    void load(async (signal) => {
      let page = await api.list(prefix.value, filter.value, FIRST_PAGE, null, signal)
      model = new LockListModel(filter.value)
      model.addPage(page.locks)
      error.value = null
      complete = false
      staged = sameList
      let cut = false
      if (!staged) {
        whole.value = false
        truncated.value = false
        showSorted()
      }
      stream.start(page.cursor)
      while (page.next !== null && page.next !== undefined) {
        if (model.size >= MAX_ROWS) {
          cut = true
          break
        }
        page = await api.list(prefix.value, filter.value, MAX_PAGE, page.next, signal)
        model.addPage(page.locks)
        scheduler.schedule()
      }
      if (sameList) model.keepHandedOver(previous)
      if (staged) showSorted()
      else showChanges()
      staged = false
      complete = true
      whole.value = true
      truncated.value = cut
      model.finishLoading({ truncated: cut })
      scheduler.schedule()
    })
  }

  function handleMessages(batch: StreamMessage[]): void {
    for (const message of batch) {
      if (message.type === 'event') model.applyEvent(message)
      else if (message.type === 'renewed') model.applyRenewal(message)
    }
    if (model.hasChanges) scheduler.schedule()
  }

  function handleGap(gap: Gap): void {
    if (gap === 'cursor-lost') {
      connection.notice = 'Some events are no longer in the log. The list was reloaded.'
      reload({ sameList: true })
    } else if (gap === 'access-changed') {
      // Nothing is kept of locks that may no longer be seen.
      model = new LockListModel(filter.value)
      reload({ sameList: true })
    } else {
      connection.reportOverload('Events arrive too fast to show each change. Reloading every few seconds.')
      reloadTimer = setTimeout(() => reload({ sameList: true }), RELOAD_INTERVAL_MS)
    }
  }

  function draw(): void {
    if (staged) return
    if (frozen.value && complete) {
      ordered.value = model.updatedInPlace(ordered.value)
      heldBack.value = model.heldBack
    } else {
      showChanges()
    }
  }

  function showSorted(): void {
    ordered.value = model.sorted(sort.value)
    heldBack.value = model.heldBack
  }

  function showChanges(): void {
    ordered.value = model.reordered(ordered.value, sort.value)
    heldBack.value = model.heldBack
  }

  /** Fetches a row again. */
  function refreshRow(name: string): void {
    model.invalidate(name)
  }

  watch([prefix, filter], () => reload({ sameList: false }))
  watch(sort, () => {
    if (!staged) showSorted()
  })
  watch(frozen, (now) => {
    if (!now && model.hasChanges) scheduler.schedule()
  })
  onScopeDispose(() => clearTimeout(reloadTimer))
  reload({ sameList: false })

  return { ordered, heldBack, whole, truncated, error, refreshRow }
}
