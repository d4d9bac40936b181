// The columns of the lock table.
import { rowSortingFeature, tableFeatures, type ColumnDef } from '@tanstack/vue-table'
import { h, type VNodeChild } from 'vue'
import { RouterLink } from 'vue-router'
import type { Holder, LockStatus } from '../../api/types'
import ElapsedTime from '../../components/ElapsedTime.vue'
import ExactText from '../../components/ExactText.vue'
import Icon from '../../components/Icon.vue'
import StateBadge from '../../components/StateBadge.vue'
import TtlBar from '../../components/TtlBar.vue'
import { count, ownerName } from '../../lib/format'
import type { SortKey } from '../../state/sort'

export const features = tableFeatures({ rowSortingFeature })

export type LockColumn = ColumnDef<typeof features, LockStatus>

const none = () => h('span', { class: 'muted' }, '–')

function firstHolder(row: LockStatus, render: (holder: Holder) => VNodeChild): VNodeChild {
  const holder = row.holders[0]
  return holder ? render(holder) : none()
}

function holderCell(row: LockStatus): VNodeChild {
  return firstHolder(row, ({ owner }) =>
    h('span', { class: 'holder-cell' }, [
      h('span', { class: owner ? 'clip' : 'clip muted', title: owner }, [
        h(ExactText, { text: ownerName(owner) }),
      ]),
      row.holder_count > 1 ? h('span', { class: 'muted' }, `+${count(row.holder_count - 1)}`) : null,
    ]),
  )
}

/** The id of a sortable column is its sort key. */
interface Column {
  id: SortKey | 'state' | 'mode' | 'holder'
  header: string
  cell: (row: LockStatus) => VNodeChild
  alignEnd?: boolean
}

const COLUMNS: Column[] = [
  { id: 'state', header: 'State', cell: (row) => h(StateBadge, { row }) },
  {
    id: 'name',
    header: 'Name',
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
    cell: (row) =>
      row.mode === 'shared'
        ? h('span', { class: 'shared-mode' }, [h(Icon, { name: 'shared' }), ' shared'])
        : (row.mode ?? none()),
  },
  { id: 'holder', header: 'Holder', cell: holderCell },
  {
    id: 'token',
    header: 'Token',
    cell: (row) => h('span', { class: 'number' }, String(row.current_token)),
    alignEnd: true,
  },
  {
    id: 'held',
    header: 'Held for',
    cell: (row) => firstHolder(row, ({ acquired_at }) => h(ElapsedTime, { at: acquired_at })),
    alignEnd: true,
  },
  {
    id: 'left',
    header: 'Time left',
    cell: (row) =>
      firstHolder(row, ({ expires_at, ttl_ms }) => h(TtlBar, { expiresAt: expires_at, ttlMs: ttl_ms })),
  },
  {
    id: 'waiters',
    header: 'Waiters',
    cell: (row) => (row.queue_len > 0 ? h('strong', { class: 'number' }, count(row.queue_len)) : none()),
    alignEnd: true,
  },
  {
    id: 'oldest',
    header: 'Oldest wait',
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
