// The columns of the lock table.
import { rowSortingFeature, tableFeatures, type ColumnDef } from '@tanstack/vue-table'
import { h, type VNodeChild } from 'vue'
import { RouterLink } from 'vue-router'
import type { Holder, LockStatus } from '../../api/types'
import ElapsedTime from '../../components/ElapsedTime.vue'
import ExactText from '../../components/ExactText.vue'
import Icon from '../../components/Icon.vue'
import OwnerLink from '../../components/OwnerLink.vue'
import StateBadge from '../../components/StateBadge.vue'
import TtlBar from '../../components/TtlBar.vue'
import { count } from '../../lib/format'
import UsualHold from './UsualHold.vue'
import type { SortKey } from '../../state/sort'

export const features = tableFeatures({ rowSortingFeature })

export type LockColumn = ColumnDef<typeof features, LockStatus>

const none = () => h('span', { class: 'muted' }, '–')

function firstHolder(row: LockStatus, render: (holder: Holder) => VNodeChild): VNodeChild {
  const holder = row.holders[0]
  return holder ? render(holder) : none()
}

function holderCell(row: LockStatus): VNodeChild {
  return firstHolder(row, ({ owner, principal }) =>
    h('span', { class: 'holder-cell' }, [
      // Out of the order of the Tab key, like the lock's own link: the row has the focus.
      h(OwnerLink, { class: 'clip', owner, principal, tabindex: -1, title: owner }),
      row.holder_count > 1 ? h('span', { class: 'muted' }, `+${count(row.holder_count - 1)}`) : null,
    ]),
  )
}

/** The id of a sortable column is its sort key. */
interface Column {
  id: SortKey | 'state' | 'mode' | 'holder'
  header: string
  /** In a wide table. */
  width: string
  cell: (row: LockStatus) => VNodeChild
  alignEnd?: boolean
}

const COLUMNS: Column[] = [
  { id: 'state', header: 'State', width: '7.25rem', cell: (row) => h(StateBadge, { row }) },
  {
    id: 'name',
    header: 'Name',
    width: 'minmax(10rem, 2fr)',
    cell: (row) =>
      h(
        RouterLink,
        {
          class: 'code clip',
          to: { name: 'lock', params: { name: row.resource } },
          tabindex: -1,
          title: row.resource,
        },
        () => h(ExactText, { text: row.resource }),
      ),
  },
  {
    id: 'mode',
    header: 'Mode',
    width: '5.75rem',
    cell: (row) =>
      row.mode === 'shared'
        ? h('span', { class: 'shared-mode' }, [h(Icon, { name: 'shared' }), ' shared'])
        : (row.mode ?? none()),
  },
  { id: 'holder', header: 'Holder', width: 'minmax(6.875rem, 1fr)', cell: holderCell },
  {
    id: 'token',
    header: 'Token',
    width: '5.25rem',
    cell: (row) => h('span', { class: 'number' }, String(row.current_token)),
    alignEnd: true,
  },
  {
    id: 'held',
    header: 'Held for',
    width: '6rem',
    cell: (row) => firstHolder(row, ({ acquired_at }) => h(ElapsedTime, { at: acquired_at })),
    alignEnd: true,
  },
  { id: 'usual', header: 'Usual hold', width: '9.5rem', cell: (row) => h(UsualHold, { row }) },
  {
    id: 'left',
    header: 'Time left',
    width: '9.25rem',
    cell: (row) =>
      firstHolder(row, ({ expires_at, ttl_ms }) => h(TtlBar, { expiresAt: expires_at, ttlMs: ttl_ms })),
  },
  {
    id: 'waiters',
    header: 'Waiters',
    width: '4.75rem',
    cell: (row) => (row.queue_len > 0 ? h('strong', { class: 'number' }, count(row.queue_len)) : none()),
    alignEnd: true,
  },
  {
    id: 'oldest',
    header: 'Oldest wait',
    width: '6.25rem',
    cell: (row) => (row.oldest_enqueued_at ? h(ElapsedTime, { at: row.oldest_enqueued_at }) : none()),
    alignEnd: true,
  },
]

export const columns: LockColumn[] = COLUMNS.map(({ id, header, cell }) => ({
  id,
  header,
  enableSorting: !['state', 'mode', 'holder'].includes(id),
  cell: ({ row }) => cell(row.original),
}))

export const END_ALIGNED_COLUMNS: ReadonlySet<string> = new Set(
  COLUMNS.filter(({ alignEnd }) => alignEnd).map(({ id }) => id),
)

/** The columns that may be left out: without its name a row says nothing. */
export const OPTIONAL_COLUMNS = COLUMNS.filter(({ id }) => id !== 'name').map(({ id, header }) => ({
  id,
  header,
}))

/** The `grid-template-columns` of a wide table without the hidden columns. */
export function columnTemplate(hidden: readonly string[]): string {
  return COLUMNS.filter(({ id }) => !hidden.includes(id))
    .map(({ width }) => width)
    .join(' ')
}
