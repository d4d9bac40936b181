// The bars of the timeline: what they stand on, and what stands on them.
import { expect, test } from 'vitest'
import chart from '../views/lock/TimelineChart.vue?raw'
import owners from './owner-colors.css?raw'
import tokens from './tokens.css?raw'

/** As WCAG defines it. */
function luminance(color: string): number {
  const full = color.length === 4 ? color.replace(/[\da-f]/g, '$&$&') : color
  const [red = 0, green = 0, blue = 0] = [1, 3, 5].map((at) => {
    const share = Number.parseInt(full.slice(at, at + 2), 16) / 255
    return share <= 0.04045 ? share / 12.92 : ((share + 0.055) / 1.055) ** 2.4
  })
  return 0.2126 * red + 0.7152 * green + 0.0722 * blue
}

function contrast(one: string, other: string): number {
  const [dark = 0, light = 0] = [luminance(one), luminance(other)].sort((a, b) => a - b)
  return (light + 0.05) / (dark + 0.05)
}

/** The light and the dark color of the first `light-dark()` after a text. */
function colors(css: string, after: string): [string, string] {
  const found = /light-dark\((#[\da-f]+), (#[\da-f]+)\)/.exec(css.slice(css.indexOf(after)))
  if (!found?.[1] || !found[2]) throw new Error(`no colors after ${after}`)
  return [found[1], found[2]]
}

test('bars stand out from the page, and their white text from them, in both themes', () => {
  const surface = colors(tokens, '--surface:')
  const ownerColors = [...owners.matchAll(/--owner: (#[\da-f]{6})/g)].map(([, color = '']) => color)
  expect(ownerColors).toHaveLength(6)
  const bars: [string, string][] = [
    ...ownerColors.map((color): [string, string] => [color, color]),
    colors(tokens, '--bad-fill:'),
    colors(chart, '&.expired'),
  ]
  for (const bar of bars) {
    for (const theme of [0, 1] as const) {
      expect(contrast(bar[theme], surface[theme]), bar[theme]).toBeGreaterThanOrEqual(3)
      expect(contrast(bar[theme], '#ffffff'), bar[theme]).toBeGreaterThanOrEqual(4.5)
    }
  }
})
