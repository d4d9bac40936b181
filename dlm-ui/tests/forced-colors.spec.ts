// With forced colors nothing depends on a background or a shadow of the page’s own.
import type { Locator, Page } from '@playwright/test'
import { expect, open, test } from './fixtures'

const style = (locator: Locator, property: string) =>
  locator.first().evaluate((element, name) => getComputedStyle(element).getPropertyValue(name), property)

/** What a system color is. */
const system = (page: Page, color: string) =>
  page.evaluate((color) => {
    const probe = document.createElement('i')
    probe.style.cssText = `forced-color-adjust: none; background-color: ${color}`
    document.body.append(probe)
    const { backgroundColor } = getComputedStyle(probe)
    probe.remove()
    return backgroundColor
  }, color)

const BACKGROUND = 'background-color'

test.beforeEach(async ({ page }) => page.emulateMedia({ forcedColors: 'active' }))

test('bars, badges, marks and the crosshair of a lock show with forced colors', async ({ page, server }) => {
  await server.release(await server.lock('a', { owner: 'api-6' }))
  await server.lock('a', { owner: 'api-7' })
  await open(page, server, '/locks/a?span=1m')
  await expect(page.locator('.bar').first()).toBeVisible()
  const [highlight, canvas] = [await system(page, 'Highlight'), await system(page, 'Canvas')]
  expect(highlight).not.toBe(canvas)
  expect(await style(page.locator('.bar'), BACKGROUND)).toBe(highlight)
  expect(await style(page.locator('.bar'), 'outline-style')).toBe('solid')
  expect(await style(page.locator('.ttl .fill'), BACKGROUND)).toBe(highlight)
  expect(await style(page.locator('.ttl .track'), 'outline-style')).toBe('solid')
  expect(await style(page.locator('.state'), 'outline-style')).toBe('solid')
  expect(await style(page.locator('.tick'), BACKGROUND)).not.toBe(canvas)
  await page.locator('.chart').first().hover()
  expect(await style(page.locator('.crosshair'), BACKGROUND)).toBe(await system(page, 'CanvasText'))
})

test('what is selected and what has the focus shows with forced colors', async ({ page, server }) => {
  await server.lock('a', { owner: 'api-7' })
  await server.lock('b', { owner: 'api-7' })
  await open(page, server, '/locks')
  const highlight = await system(page, 'Highlight')
  await expect(page.getByRole('grid').getByRole('row')).toHaveCount(3)
  expect(await style(page.locator('.line.active'), 'outline-style')).toBe('solid')
  expect(await style(page.locator('.rows .line:not(.active)'), 'outline-style')).toBe('none')
  expect(await style(page.locator('.choice[data-state=checked]'), BACKGROUND)).toBe(highlight)
  expect(await style(page.locator('.choice[data-state=unchecked]'), BACKGROUND)).not.toBe(highlight)
  expect(await style(page.locator('nav a.active'), 'border-bottom-color')).toBe(highlight)
  expect(await style(page.locator('nav a:not(.active)'), 'border-bottom-color')).not.toBe(highlight)
  await page.getByRole('radio', { name: 'Held', exact: true }).focus()
  await page.keyboard.press('Shift')
  const ring = page.locator('.choice:focus-visible')
  expect(await style(ring, 'outline-color')).toBe(await system(page, 'HighlightText'))
  await page.keyboard.press('Tab')
  expect(await style(page.locator(':focus-visible'), 'outline-color')).toBe(highlight)
  expect(await style(page.locator(':focus-visible'), 'outline-style')).toBe('solid')
})

test('switches of filters and settings show their state with forced colors', async ({ page, server }) => {
  await server.lock('a', { owner: 'api-7' })
  await open(page, server, '/events?kinds=granted')
  const highlight = await system(page, 'Highlight')
  expect(await style(page.locator('.kind[aria-pressed=true]'), BACKGROUND)).toBe(highlight)
  expect(await style(page.locator('.kind[aria-pressed=false]'), BACKGROUND)).not.toBe(highlight)
  await page.getByRole('button', { name: 'Settings' }).click()
  const dialog = page.getByRole('dialog', { name: 'Settings' })
  expect(await style(dialog.getByRole('radio', { checked: true }), BACKGROUND)).toBe(highlight)
  expect(await style(dialog.getByRole('radio', { checked: false }), BACKGROUND)).not.toBe(highlight)
})
