// Each view of a busy world in every size and theme. A few combinations run with every change; the others have the tag
// `@matrix`.
import type { Page } from '@playwright/test'
import { violations } from './axe'
import { tabTo } from './keyboard'
import { expect, openView, test, VIEWS } from './world'

const WIDTHS = [1360, 768, 360] as const
const THEMES = ['light', 'dark', 'forced colors'] as const

async function setTheme(page: Page, theme: (typeof THEMES)[number]): Promise<void> {
  await page.emulateMedia({
    colorScheme: theme === 'dark' ? 'dark' : 'light',
    forcedColors: theme === 'forced colors' ? 'active' : 'none',
  })
}

/** The elements that reach beyond the right edge of a page that scrolls to the side. */
function overflowing(page: Page): Promise<string[]> {
  return page.evaluate(() => {
    const { scrollWidth, clientWidth } = document.documentElement
    if (scrollWidth <= clientWidth) return []
    const beyond = [...document.querySelectorAll('body *')].filter(
      (element) => element.getBoundingClientRect().right > clientWidth + 1,
    )
    return [
      `${scrollWidth} > ${clientWidth}`,
      ...beyond.slice(0, 10).map(({ outerHTML }) => outerHTML.slice(0, 120)),
    ]
  })
}

/** Animations that move something now. */
function moving(page: Page): Promise<number> {
  return page.evaluate(
    () =>
      document
        .getAnimations()
        .filter(
          ({ playState, effect }) => playState === 'running' && effect?.getComputedTiming().progress !== null,
        ).length,
  )
}

for (const [viewNumber, view] of VIEWS.entries()) {
  for (const [widthNumber, width] of WIDTHS.entries()) {
    for (const [themeNumber, theme] of THEMES.entries()) {
      // Each combination with another view.
      const always = viewNumber === widthNumber * THEMES.length + themeNumber
      test(
        `${view.name} of a busy world, ${width} px wide, ${theme}`,
        { tag: always ? [] : '@matrix' },
        async ({ page, server }) => {
          await page.setViewportSize({ width, height: 800 })
          await setTheme(page, theme)
          await openView(page, server, view)
          expect(await violations(page)).toEqual([])
          expect(await overflowing(page)).toEqual([])
          await tabTo(page, view.action(page))

          await page.emulateMedia({ reducedMotion: 'reduce' })
          expect(await moving(page)).toBe(0)

          await page.evaluate(() => (document.documentElement.style.fontSize = '200%'))
          await expect(view.shown(page)).toBeVisible()
          expect(await violations(page)).toEqual([])
          expect(await overflowing(page)).toEqual([])
        },
      )
    }
  }
}
