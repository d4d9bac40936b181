import { expect, test } from 'vitest'
import { formatWindow, OWNER_COLORS, ownerColor, pan, parseWindow, zoom } from './timeWindow'

const window = { from: 100_000, to: 200_000 }

test('the instant under the pointer keeps its place', () => {
  expect(zoom(window, 150_000, 0.5, 1_000_000)).toEqual({ from: 125_000, to: 175_000 })
  expect(zoom(window, 100_000, 0.5, 1_000_000)).toEqual({ from: 100_000, to: 150_000 })
})

test('nothing after now is shown', () => {
  expect(zoom(window, 200_000, 2, 200_000)).toEqual({ from: 0, to: 200_000 })
  expect(pan(window, 500_000, 210_000)).toEqual({ from: 110_000, to: 210_000 })
})

test('a window is moved to the past', () => {
  expect(pan(window, -50_000, 1_000_000)).toEqual({ from: 50_000, to: 150_000 })
})

test('the closest look is a second', () => {
  const { from, to } = zoom(window, 150_000, 0.000_001, 1_000_000)
  expect(to - from).toBe(1_000)
})

test('a window is kept in an address, and nonsense is not', () => {
  expect(parseWindow(formatWindow(window))).toEqual(window)
  for (const text of ['', '5', '200000-100000', '1-2', '0-99999999999999', 'a-b'])
    expect(parseWindow(text)).toBeNull()
})

test('an owner has one color, and owners have all of them', () => {
  expect(ownerColor('api-7')).toBe(ownerColor('api-7'))
  const colors = new Set(Array.from({ length: 200 }, (_, index) => ownerColor(`api-${index}`)))
  expect(colors.size).toBe(OWNER_COLORS)
})
