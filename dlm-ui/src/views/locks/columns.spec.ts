import { expect, test } from 'vitest'
import { columnTemplate, shownColumns } from './columns'

const ids = (...args: Parameters<typeof shownColumns>) => shownColumns(...args).map(({ id }) => id)

test('a layout has the columns that it has room for', () => {
  expect(ids('wide', [])).toHaveLength(11)
  expect(ids('medium', [])).toEqual(['selected', 'state', 'name', 'holder', 'held', 'left', 'waiters'])
  expect(ids('narrow', [])).toEqual(['selected', 'state', 'name', 'holder', 'left', 'waiters'])
})

test('a hidden column leaves no place behind in any layout', () => {
  for (const layout of ['wide', 'medium'] as const) {
    const columns = shownColumns(layout, ['holder', 'token'])
    expect(columns.map(({ id }) => id)).not.toContain('holder')
    expect(columnTemplate(columns).split(/ (?![^(]*\))/)).toHaveLength(columns.length)
  }
})
