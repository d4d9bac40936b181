import { expect, test } from 'vitest'
import { exactParts } from './exactText'

const marks = (text: string) =>
  exactParts(text).flatMap(({ mark, title }) => (mark ? [`${mark} ${title}`] : []))

test('an ordinary name is one part without a mark', () => {
  for (const name of ['orders/42', 'nightly build', 'a', 'größe', '注文/四十二', 'заказ', 'café', '🔒'])
    expect(marks(name), name).toEqual([])
  expect(exactParts('orders/42')).toEqual([{ text: 'orders/42', mark: null }])
})

test('spaces at an end or in a row, and other spaces, are marked', () => {
  expect(marks('a ')).toEqual(['space space'])
  expect(marks(' a')).toEqual(['space space'])
  expect(marks('a  b')).toEqual(['space space', 'space space'])
  expect(marks('a\u00a0b')).toEqual(['space U+00A0'])
  expect(marks('a\u2009b')).toEqual(['space U+2009'])
  expect(marks(' ')).toEqual(['space space'])
})

test('characters without a width are marked', () => {
  for (const [name, mark] of [
    ['a\u200bb', 'U+200B'],
    ['a\u00adb', 'U+00AD'],
    ['a\ufeff', 'U+FEFF'],
    ['a\u3164', 'U+3164'],
  ])
    expect(marks(name ?? '')).toEqual([`invisible ${mark}`])
  // Decomposed, it looks like the composed letter.
  expect(marks('cafe\u0301')).toEqual(['invisible U+0301'])
})

test('letters of another script that look like Latin ones are marked', () => {
  expect(marks('оrders')).toEqual(['look-alike U+043E'])
  expect(marks('Αpi')).toEqual(['look-alike U+0391'])
  expect(marks('ａpi')).toEqual(['look-alike U+FF41'])
  expect(marks('dep\u04cfoy')).toEqual(['look-alike U+04CF'])
  expect(marks('\u0261it')).toEqual(['look-alike U+0261'])
  // All of it is Cyrillic.
  expect(marks('сор').length).toBe(3)
})

test('punctuation and digits that look like those of ASCII are marked', () => {
  for (const character of '\u2010\u2011\u2013\u2212\u2215\u2044\ua789\u2236\u2019\u01c0\u01c3\u06f1\u0966') {
    const mark = `look-alike U+${character.charCodeAt(0).toString(16).toUpperCase().padStart(4, '0')}`
    expect(marks(`a${character}b`), mark).toEqual([mark])
    expect(marks(character), mark).toEqual([mark])
  }
  // They stand among letters of their script.
  expect(marks('طلب/۴۲')).toEqual([])
})

test('the parts make up the text', () => {
  for (const text of ['', ' a\u00a0\u200b b ', 'оrders/42', 'e\u0301🔒'])
    expect(
      exactParts(text)
        .map((part) => part.text)
        .join(''),
    ).toBe(text)
})
