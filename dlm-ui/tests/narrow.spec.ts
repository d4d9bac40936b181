// Narrow screens, large text and the keyboard.
import { expect, open, test } from './fixtures'

test('a narrow screen shows holder, waiters and the force-release', async ({ page, server }) => {
  await server.lock('orders/42', { owner: 'api-7' })
  await server.wait('orders/42', 'api-8')
  await page.setViewportSize({ width: 360, height: 740 })
  await open(page, server, '/locks')
  const row = page.getByRole('grid').getByRole('row').nth(1)
  await expect(row.locator('.holder')).toBeVisible()
  await expect(row.locator('.waiters')).toBeVisible()
  await open(page, server, '/locks/orders%2F42')
  const button = await page.getByRole('button', { name: 'Force-release…' }).boundingBox()
  expect((button?.x ?? 0) + (button?.width ?? 999)).toBeLessThanOrEqual(360)
  const waiter = await page.getByTestId('waiter').boundingBox()
  expect((waiter?.x ?? 0) + (waiter?.width ?? 999)).toBeLessThanOrEqual(360)
})

test('rows of the list do not overlap with text of twice the size', async ({ page, server }) => {
  for (const name of ['a', 'b', 'c']) await server.lock(name, { owner: 'api-7' })
  await page.addInitScript(() => {
    document.addEventListener('DOMContentLoaded', () => (document.documentElement.style.fontSize = '200%'))
  })
  await open(page, server, '/locks')
  const rows = page.getByRole('grid').getByRole('row')
  await expect(rows).toHaveCount(4)
  for (const row of await rows.all()) {
    const { fits, lines } = await row.evaluate((element) => ({
      fits: [...element.children].every((cell) => {
        const [outer, inner] = [element.getBoundingClientRect(), cell.getBoundingClientRect()]
        // A column that this layout leaves out.
        if (inner.height === 0) return true
        return (
          inner.top >= outer.top - 1 && inner.bottom <= outer.bottom + 1 && inner.right <= outer.right + 1
        )
      }),
      lines: element.children.length,
    }))
    expect(lines).toBeGreaterThan(0)
    expect(fits, (await row.textContent()) ?? '').toBe(true)
  }
})

test('a telephone shows all with text of twice the size', async ({ page, server }) => {
  for (let number = 0; number < 250; number += 1) await server.lock(`z/${number}`, { owner: `o-${number}` })
  const owner = 'a-worker-with-a-long-name@some-host-17'
  await server.lock('orders/42', { owner })
  await server.wait('orders/42', 'api-8')
  await page.setViewportSize({ width: 360, height: 740 })
  await page.addInitScript(() => {
    document.addEventListener('DOMContentLoaded', () => (document.documentElement.style.fontSize = '200%'))
  })
  for (const path of [
    '/',
    '/locks',
    '/locks/orders%2F42',
    '/owners',
    `/owners/${encodeURIComponent(owner)}`,
    '/events',
  ]) {
    await open(page, server, path)
    await expect(
      page
        .locator('main')
        .getByText(/orders|a-worker/)
        .first(),
    ).toBeVisible()
    // What is left out for eyes, or scrolls or is cut off by itself.
    const hidden = '.visually-hidden, thead, pre, .clip, .chart, .axis'
    const cut = () =>
      page.evaluate((hidden) => {
        const isCut = (element: Element) =>
          element.getBoundingClientRect().right > innerWidth + 1 && !element.closest(hidden)
        return [...document.querySelectorAll('header *, main *')]
          .filter(isCut)
          .map((element) => element.outerHTML.slice(0, 200))
      }, hidden)
    await expect.poll(cut, path).toEqual([])
    expect(await page.evaluate(() => document.documentElement.scrollWidth), path).toBe(360)
  }
})

test('the arrow keys keep the active row in sight', async ({ page, server }) => {
  for (let number = 10; number < 60; number += 1) await server.lock(`lock/${number}`)
  await page.setViewportSize({ width: 1360, height: 620 })
  await open(page, server, '/locks')
  await expect(page.getByTestId('count')).toHaveText('50 locks')
  const grid = page.getByRole('grid')
  await grid.focus()
  const inSight = () =>
    grid.evaluate((element) => {
      const active = document.getElementById(element.getAttribute('aria-activedescendant') ?? '')
      const head = element.querySelector('.head')
      if (!active || !head) return false
      const [row, list] = [active.getBoundingClientRect(), element.getBoundingClientRect()]
      return row.top >= head.getBoundingClientRect().bottom - 1 && row.bottom <= list.bottom + 1
    })
  for (const key of ['ArrowDown', 'ArrowUp']) {
    for (let step = 0; step < 48; step += 1) {
      await page.keyboard.press(key)
      await expect.poll(inSight, `${key} ${step}`).toBe(true)
    }
  }
})

test('a long name breaks at its segments on a narrow screen', async ({ page, server }) => {
  const name = 'billing/invoices-of-europe/monthly-reports/customer-number-4711'
  await server.lock(name, { owner: 'api-7' })
  await page.setViewportSize({ width: 360, height: 740 })
  await open(page, server, `/locks/${encodeURIComponent(name)}`)
  const lines = await page.getByTestId('name').evaluate((element) => {
    const found: string[] = []
    let bottom = -1
    const walker = document.createTreeWalker(element, NodeFilter.SHOW_TEXT)
    for (let node = walker.nextNode(); node; node = walker.nextNode()) {
      const text = node.textContent ?? ''
      for (let index = 0; index < text.length; index += 1) {
        const range = document.createRange()
        range.setStart(node, index)
        range.setEnd(node, index + 1)
        const box = range.getBoundingClientRect()
        if (box.bottom > bottom + 2) found.push('')
        bottom = Math.max(bottom, box.bottom)
        found.push((found.pop() ?? '') + text[index])
      }
    }
    return found
  })
  expect(lines.length).toBeGreaterThan(1)
  expect(lines.join('')).toBe(name)
  for (const line of lines.slice(0, -1)) expect(line).toMatch(/[/-]$/)
})
