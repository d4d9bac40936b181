// A hundred thousand locks, held by real clients.
import type { Page } from '@playwright/test'
import { bestOf, expect, open, test } from './fixtures'

const MANY = 100_000

/** What the page notes of itself. */
interface Noted {
  firstRow: number | null
  tasks: number[]
}

/** Has the page note when its first row is drawn and how long its long tasks take. */
function takeNote(): void {
  const noted: Noted = { firstRow: null, tasks: [] }
  Object.assign(window, { noted })
  new PerformanceObserver((list) => {
    noted.tasks.push(...list.getEntries().map((entry) => entry.duration))
  }).observe({ type: 'longtask' })
  const rows = new MutationObserver(() => {
    if (!document.querySelector('[role=gridcell]')) return
    rows.disconnect()
    requestAnimationFrame(() => (noted.firstRow = performance.now()))
  })
  rows.observe(document, { subtree: true, childList: true })
}

function noted(page: Page): Promise<Noted> {
  return page.evaluate(() => (window as unknown as { noted: Noted }).noted)
}

/** From the beginning of the navigation to the first row, by the page's own clock. */
async function firstRowAfter(page: Page, url: string): Promise<number> {
  await page.goto(url)
  await page.getByRole('gridcell').first().waitFor()
  await expect.poll(async () => (await noted(page)).firstRow).not.toBeNull()
  return (await noted(page)).firstRow ?? Number.POSITIVE_INFINITY
}

async function longestTaskOfScrolling(page: Page): Promise<number> {
  await page.evaluate(() => ((window as unknown as { noted: Noted }).noted.tasks.length = 0))
  const grid = page.getByRole('grid')
  await grid.hover()
  for (let step = 0; step < 60; step += 1) await page.mouse.wheel(0, 4_000)
  await grid.evaluate((element) => element.scrollTo(0, element.scrollHeight / 2))
  await grid.press('End')
  await expect(page.getByRole('row').last()).toHaveAttribute('aria-rowindex', String(MANY + 1), {
    timeout: 15_000,
  })
  await grid.press('Home')
  await expect(page.getByRole('row').nth(1)).toHaveAttribute('aria-rowindex', '2', { timeout: 15_000 })
  return Math.max(0, ...(await noted(page)).tasks)
}

test('a hundred thousand locks stay smooth', async ({ page, server }) => {
  test.setTimeout(600_000)
  const flags = ['--workers', String(MANY), '--clients', '4', '--ttl-ms', '3600000', '--seconds', '1200']
  server.work('dlm-load', 'hold', ...flags)
  const held = async () => (await server.call<{ held: number }>('/v1/overview?seconds=0')).held
  await expect.poll(held, { timeout: 400_000, intervals: [1_000] }).toBe(MANY)

  await page.addInitScript(takeNote)
  expect(await bestOf(1_000, () => firstRowAfter(page, `${server.url}/locks`))).toBeLessThan(1_000)
  await expect(page.getByTestId('live')).toHaveText('Live', { timeout: 60_000 })
  await expect(page.getByTestId('count')).toHaveText('100,000 locks', { timeout: 120_000 })

  expect(await bestOf(100, () => longestTaskOfScrolling(page))).toBeLessThan(100)

  // And what happens is still seen at once.
  await page.mouse.move(5, 5)
  await open(page, server, '/locks?prefix=new')
  await server.lock('new/1', { owner: 'late' })
  await expect(page.getByRole('grid')).toContainText('late')
})
