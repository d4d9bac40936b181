// Back and Forward lead to the place that was left: its scroll position, its row and its focus.
import type { Page } from '@playwright/test'
import { expect, open, test } from './fixtures'
import type { TestServer } from './server'

/** Rows arrive well after the navigation. */
async function delayReads(page: Page): Promise<void> {
  await page.route(/\/v1\/(locks\?|events\?|owners\?|overview|wait-graph)/, async (route) => {
    await new Promise((resolve) => setTimeout(resolve, 700))
    await route.continue()
  })
}

async function lockMany(server: TestServer, count: number): Promise<void> {
  for (let number = 0; number < count; number += 1)
    await server.lock(`job/${100 + number}`, { owner: `worker-${100 + number}` })
}

const focused = (page: Page) =>
  page.evaluate(() => {
    const element = document.activeElement
    return { text: element?.textContent ?? '', top: Math.round(element?.getBoundingClientRect().top ?? -1) }
  })

/** Where a link is that is in sight far down, and had the focus when it was followed. */
async function follow(page: Page, text: string): Promise<{ text: string; top: number }> {
  const link = page.locator('main').getByRole('link', { name: text, exact: true }).first()
  await link.evaluate((element) => {
    element.scrollIntoView({ block: 'center' })
    element.focus()
  })
  const before = await focused(page)
  expect(await page.evaluate(() => window.scrollY)).toBeGreaterThan(50)
  await page.keyboard.press('Enter')
  await expect(page.getByTestId('name')).toBeVisible()
  return before
}

async function expectFocus(page: Page, expected: { text: string; top: number }): Promise<void> {
  await expect.poll(async () => (await focused(page)).text).toBe(expected.text)
  await expect.poll(async () => Math.abs((await focused(page)).top - expected.top)).toBeLessThanOrEqual(1)
}

test.beforeEach(async ({ page }) => page.setViewportSize({ width: 1360, height: 560 }))

test('Back leads to the row of the list that was opened, and Forward to the lock', async ({
  page,
  server,
}) => {
  await lockMany(server, 80)
  await delayReads(page)
  await open(page, server, '/locks')
  await expect(page.getByTestId('count')).toHaveText('80 locks')
  const grid = page.getByRole('grid')
  await grid.evaluate((element) => (element.scrollTop = 1_200))
  const link = grid.getByRole('link', { name: 'job/140' })
  const before = await link.boundingBox()
  await link.click()
  await expect(page.getByTestId('name')).toHaveText('job/140')
  // What comes before it in the list does not move it.
  await server.lock('a', { owner: 'new' })
  await page.goBack()
  await expect(page.getByTestId('count')).toHaveText('81 locks')
  await expect(grid).toBeFocused()
  await expect.poll(async () => (await link.boundingBox())?.y).toBe(before?.y)
  await expect(page.locator('[role=row][aria-selected=true]')).toContainText('job/140')
  await page.keyboard.press('ArrowDown')
  await page.keyboard.press('Enter')
  await expect(page.getByTestId('name')).toHaveText('job/141')
  await page.goBack()
  await expect(page.locator('[role=row][aria-selected=true]')).toContainText('job/141')
  await expect(grid).toBeFocused()
  await page.goForward()
  await expect(page.getByTestId('name')).toHaveText('job/141')
})

test('Back leads to the event that was followed, also below newer and among older ones', async ({
  page,
  server,
}) => {
  await lockMany(server, 250)
  await delayReads(page)
  await open(page, server, '/events')
  await page.getByRole('button', { name: 'Load older' }).click()
  await expect(page.getByTestId('event')).toHaveCount(250)
  const before = await follow(page, 'job/105')
  await server.lock('newer')
  await page.goBack()
  await expectFocus(page, before)
})

test('Back leads to the owner that was followed', async ({ page, server }) => {
  await lockMany(server, 150)
  await delayReads(page)
  await open(page, server, '/owners')
  const more = page.getByRole('button', { name: 'Show more owners' })
  await more.click()
  await expect(page.getByTestId('owner')).toHaveCount(150)
  const before = await follow(page, 'worker-240')
  await page.goBack()
  await expectFocus(page, before)
})

test('Back leads to the waiter that was followed from within a long queue', async ({ page, server }) => {
  await server.lock('job', { owner: 'holder' })
  for (let number = 0; number < 40; number += 1) await server.wait('job', `waiter-${100 + number}`)
  await delayReads(page)
  await open(page, server, '/locks/job')
  await expect(page.getByTestId('waiter')).toHaveCount(40)
  const before = await follow(page, 'waiter-130')
  await page.goBack()
  await expectFocus(page, before)
  await expect(
    page.getByRole('region', { name: 'Waiters table' }).getByRole('link', { name: 'waiter-130' }),
  ).toBeInViewport()
})

test('Back leads to where the overview was scrolled to, and Forward to where the events were', async ({
  page,
  server,
}) => {
  await lockMany(server, 40)
  for (let number = 0; number < 12; number += 1) await server.wait(`job/${100 + number}`, 'next')
  await delayReads(page)
  await open(page, server, '/')
  await expect(page.getByRole('link', { name: 'job/107' })).toBeVisible()
  const before = await follow(page, 'job/107')
  await page.goBack()
  await expectFocus(page, before)
  await page.getByRole('link', { name: 'Events', exact: true }).click()
  await expect(page.getByTestId('event').first()).toBeVisible()
  await page.mouse.wheel(0, 600)
  await expect.poll(() => page.evaluate(() => window.scrollY)).toBe(600)
  await page.goBack()
  await expect(page.getByRole('region', { name: 'Contended locks' })).toBeVisible()
  await page.goForward()
  await expect(page.getByTestId('event').first()).toBeVisible()
  await expect.poll(() => page.evaluate(() => window.scrollY)).toBe(600)
})

test('a page that is opened by a link begins at its top', async ({ page, server }) => {
  await lockMany(server, 60)
  await open(page, server, '/events')
  await expect(page.getByTestId('event')).toHaveCount(60)
  await follow(page, 'job/105')
  await page.getByRole('link', { name: 'Events', exact: true }).click()
  await expect(page.getByTestId('event')).toHaveCount(60)
  expect(await page.evaluate(() => window.scrollY)).toBe(0)
  await expect(page.locator('#main')).toBeFocused()
})

test('what a person does while the rows are loaded is not undone', async ({ page, server }) => {
  await lockMany(server, 100)
  await open(page, server, '/events')
  await expect(page.getByTestId('event')).toHaveCount(100)
  await follow(page, 'job/110')
  await delayReads(page)
  await page.goBack()
  await page.keyboard.press('Shift')
  await expect(page.getByTestId('event')).toHaveCount(100)
  await page.waitForTimeout(300)
  expect(await page.evaluate(() => window.scrollY)).toBe(0)
})
