import { expect, test } from 'vitest'
import type { AccessRule, Role } from '../api/types'
import { allows, covers, prefixesWith } from './access'

const rule = (role: Role, prefix: string): AccessRule => ({ role, prefix })

test.each(['a', 'a/'])('the prefix %s covers whole segments', (prefix) => {
  for (const name of ['a', 'a/', 'a/b', 'a//', 'a/b/c']) expect(covers(prefix, name), name).toBe(true)
  for (const name of ['ab', 'b', 'A', 'A/b', 'a.b', 'ä', 'a\u0300', '\u0430/b', '/a', ''])
    expect(covers(prefix, name), name).toBe(false)
})

test('the empty prefix covers everything, and a slash only names that begin with one', () => {
  expect(covers('', 'anything')).toBe(true)
  expect(['/', '/a', '//'].every((name) => covers('/', name))).toBe(true)
  expect(['a', 'a/', 'a/b'].some((name) => covers('/', name))).toBe(false)
  // The stem of `a//` is `a/`.
  expect([covers('a//', 'a/'), covers('a//', 'a//b'), covers('a//', 'a'), covers('a//', 'a/b')]).toEqual([
    true,
    true,
    false,
    false,
  ])
})

test('a role includes those before it, and rights add up', () => {
  const rules = [rule('observe', ''), rule('lock', 'orders/'), rule('admin', 'orders/test')]
  const may = (role: Role, name: string) => allows(rules, role, name)
  expect([may('observe', 'x'), may('lock', 'x'), may('admin', 'x')]).toEqual([true, false, false])
  expect([may('observe', 'orders'), may('lock', 'orders/1'), may('admin', 'orders/1')]).toEqual([
    true,
    true,
    false,
  ])
  expect(may('admin', 'orders/test/1')).toBe(true)
  expect(may('admin', 'orders/test2')).toBe(false)
  expect(allows([], 'observe', 'a')).toBe(false)
})

test('a role that is not known here allows nothing', () => {
  expect(allows([rule('other', '')], 'observe', 'a')).toBe(false)
  expect(allows([rule('admin', '')], 'other', 'a')).toBe(false)
})

test('only the outermost prefixes with a role are listed', () => {
  const of = (...prefixes: string[]) =>
    prefixesWith(
      prefixes.map((prefix) => rule('lock', prefix)),
      'observe',
    )
  expect(of('b', 'a/c', 'a/')).toEqual(['a/', 'b'])
  expect(of('a', '', 'b')).toEqual([''])
  expect(of('ab', 'a')).toEqual(['a', 'ab'])
  expect(of('a', 'a/')).toEqual(['a'])
  expect(of('/', 'a', '/b')).toEqual(['/', 'a'])
  expect(of('/', '')).toEqual([''])
  // `//` covers `/` and `//a`, but not `/a`.
  expect(of('//', '/')).toEqual(['/'])
  expect(prefixesWith([rule('lock', 'a')], 'admin')).toEqual([])
})
