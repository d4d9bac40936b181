// The columns of the lock table.
import { h, type FunctionalComponent, type VNodeChild } from 'vue'
import { RouterLink } from 'vue-router'
import type { Holder, LockStatus } from '../../api/types'
import ElapsedTime from '../../components/ElapsedTime.vue'
import ExactText from '../../components/ExactText.vue'
import Icon from '../../components/Icon.vue'
import OwnerLink from '../../components/OwnerLink.vue'
import StateBadge from '../../components/StateBadge.vue'
import TtlBar from '../../components/TtlBar.vue'
import { count } from '../../lib/format'
import SelectCell from './SelectCell.vue'
import UsualHold from './UsualHold.vue'
import type { SortKey } from '../../state/sort'
import type { TableLayout } from './useTableLayout'

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
export interface LockColumn {
  id: SortKey | 'selected' | 'state' | 'mode' | 'holder'
  header: string
  width: string
  cell: (row: LockStatus) => VNodeChild
  alignEnd?: boolean
  /** The narrowest layout that has room for it; any if absent. */
  from?: 'wide' | 'medium'
}

const COLUMNS: readonly LockColumn[] = [
  {
    id: 'selected',
    header: 'Selected',
    width: '1.75rem',
    cell: (row) => h(SelectCell, { name: row.resource }),
  },
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
    from: 'wide',
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
    from: 'wide',
    header: 'Token',
    width: '5.25rem',
    cell: (row) => h('span', { class: 'number' }, String(row.current_token)),
    alignEnd: true,
  },
  {
    id: 'held',
    from: 'medium',
    header: 'Held for',
    width: '6rem',
    cell: (row) => firstHolder(row, ({ acquired_at }) => h(ElapsedTime, { at: acquired_at })),
    alignEnd: true,
  },
  {
    id: 'usual',
    from: 'wide',
    header: 'Usual hold',
    width: '9.5rem',
    cell: (row) => h(UsualHold, { row }),
    alignEnd: true,
  },
  {
    id: 'left',
    header: 'Time left',
    width: '9.25rem',
    cell: (row) =>
      firstHolder(row, ({ expires_at, ttl_ms }) => h(TtlBar, { expiresAt: expires_at, ttlMs: ttl_ms })),
    alignEnd: true,
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
    from: 'wide',
    header: 'Oldest wait',
    width: '6.25rem',
    cell: (row) => (row.oldest_enqueued_at ? h(ElapsedTime, { at: row.oldest_enqueued_at }) : none()),
    alignEnd: true,
  },
]

/** What a column shows of a row. Rendered again only for another row object. */
export const LockCell: FunctionalComponent<{ column: LockColumn; row: LockStatus }> = ({ column, row }) =>
  column.cell(row)
LockCell.props = ['column', 'row']

/** The columns that a layout has room for, without the hidden ones. */
export function shownColumns(layout: TableLayout, hidden: readonly string[]): readonly LockColumn[] {
  return COLUMNS.filter(
    ({ id, from }) =>
      !hidden.includes(id) && (layout === 'wide' || (layout === 'medium' ? from !== 'wide' : !from)),
  )
}

/** The columns that may be left out: without its name a row says nothing. Who may select rows always can. */
export const OPTIONAL_COLUMNS = COLUMNS.filter(({ id }) => id !== 'name' && id !== 'selected').map(
  ({ id, header }) => ({
    id,
    header,
  }),
)

/** Their `grid-template-columns`, unless a row has two lines. */
export function columnTemplate(columns: readonly LockColumn[]): string {
  return columns.map(({ width }) => width).join(' ')
}
