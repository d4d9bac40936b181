import { expect, test } from 'vitest'
import { readViews, withView } from './savedViews'

test('a view replaces the one with its name', () => {
  const views = withView(withView([], { name: 'b', address: '/locks' }), { name: 'a', address: '/events' })
  expect(withView(views, { name: 'b', address: '/locks?prefix=x' })).toEqual([
    { name: 'a', address: '/events' },
    { name: 'b', address: '/locks?prefix=x' },
  ])
})

test('what is stored and is no view is left out', () => {
  const good = { name: 'a', address: '/locks?state=all' }
  const stored = [good, { name: '', address: '/locks' }, { name: 'x' }, null, 'text', { ...good, name: 7 }]
  expect(readViews(stored)).toEqual([good])
  expect(readViews('nothing')).toEqual([])
  expect(readViews(null)).toEqual([])
})

test('a view leads to no other host', () => {
  for (const address of ['//evil.example', '/\\evil.example', 'https://evil.example', 'javascript:alert(1)'])
    expect(readViews([{ name: 'a', address }])).toEqual([])
})
