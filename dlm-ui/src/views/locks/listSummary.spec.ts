import { expect, test } from 'vitest'
import { summarize, type ListState } from './listSummary'

const WHOLE: ListState = {
  total: 1_336,
  shown: 1_336,
  narrowed: false,
  complete: true,
  truncated: false,
  undecided: 0,
  byUsual: false,
}

test.each<[string, Partial<ListState>]>([
  ['1,336 locks', {}],
  ['1 lock', { total: 1, shown: 1 }],
  ['1,336 locks, loading…', { complete: false }],
  ['first 1,336 locks by name; filter by prefix to find others', { truncated: true }],
  ['2 of 1,336 locks', { narrowed: true, shown: 2 }],
  ['0 of 1,336 locks, loading…', { narrowed: true, shown: 0, complete: false }],
  [
    '0 of the first 1,336 locks by name; filter by prefix to find others',
    { narrowed: true, shown: 0, truncated: true },
  ],
  ['0 of 1,336 locks; at most 100 holders of each are searched', { narrowed: true, shown: 0, undecided: 1 }],
  ['1,336 locks; the 100 held longest are ordered by usual hold', { byUsual: true }],
  ['100 of 1,336 locks', { byUsual: true, narrowed: true, shown: 100 }],
  [
    '101 of 1,336 locks; the 100 held longest are ordered by usual hold',
    { byUsual: true, narrowed: true, shown: 101 },
  ],
])('a list is summarized as %s', (text, part) => {
  expect(summarize({ ...WHOLE, ...part })).toBe(text)
})
