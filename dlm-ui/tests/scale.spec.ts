// A hundred thousand locks, held by real clients.
import type { Browser, Page } from '@playwright/test'
import { bestOf, expect, open, test } from './fixtures'

const MANY = 100_000

/** Has the page note when its first row is drawn, by its own clock. */
function noteFirstRow(): void {
  const rows = new MutationObserver(() => {
    if (!document.querySelector('[role=gridcell]')) return
    rows.disconnect()
    requestAnimationFrame(() => performance.mark('first row'))
  })
  rows.observe(document, { subtree: true, childList: true })
}

/** From the beginning of the navigation to the first row. */
async function firstRowAfter(page: Page, url: string): Promise<number> {
  await page.goto(url)
  const mark = () => page.evaluate(() => performance.getEntriesByName('first row')[0]?.startTime ?? null)
  await expect.poll(mark, { timeout: 15_000 }).not.toBeNull()
  return (await mark()) ?? Number.POSITIVE_INFINITY
}

interface TraceEvent {
  name: string
  pid: number
  tid: number
  /** The processor time of a task, in microseconds: what other programs take of the machine is not in it. */
  tdur?: number
  args: { name?: string }
}

/** The longest task of the page's main thread while it is scrolled, in milliseconds. */
async function longestTaskOfScrolling(browser: Browser, page: Page): Promise<number> {
  await browser.startTracing(page, { categories: ['toplevel', 'disabled-by-default-devtools.timeline'] })
  await scroll(page)
  const { traceEvents } = JSON.parse(String(await browser.stopTracing())) as { traceEvents: TraceEvent[] }
  const mains = traceEvents.filter(
    ({ name, args }) => name === 'thread_name' && args.name === 'CrRendererMain',
  )
  const threads = new Set(mains.map(({ pid, tid }) => `${pid} ${tid}`))
  const tasks = traceEvents.filter(
    ({ name, pid, tid }) => /RunTask$/.test(name) && threads.has(`${pid} ${tid}`),
  )
  expect(tasks.length).toBeGreaterThan(100)
  return Math.max(...tasks.map(({ tdur }) => tdur ?? 0)) / 1_000
}

async function scroll(page: Page): Promise<void> {
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
}

test('a hundred thousand locks stay smooth', async ({ browser, page, server }) => {
  test.setTimeout(600_000)
  const flags = ['--workers', String(MANY), '--clients', '4', '--ttl-ms', '3600000', '--seconds', '1200']
  server.work('dlm-load', 'hold', ...flags)
  const held = async () => (await server.call<{ held: number }>('/v1/overview?seconds=0')).held
  await expect.poll(held, { timeout: 400_000, intervals: [1_000] }).toBe(MANY)

  await page.addInitScript(noteFirstRow)
  expect(await bestOf(1_000, () => firstRowAfter(page, `${server.url}/locks`))).toBeLessThan(1_000)
  await expect(page.getByTestId('live')).toHaveText('Live', { timeout: 60_000 })
  await expect(page.getByTestId('count')).toHaveText('100,000 locks', { timeout: 120_000 })

  expect(await bestOf(100, () => longestTaskOfScrolling(browser, page))).toBeLessThan(100)

  // And what happens is still seen at once.
  await page.mouse.move(5, 5)
  await open(page, server, '/locks?prefix=new')
  await server.lock('new/1', { owner: 'late' })
  await expect(page.getByRole('grid')).toContainText('late')
})
