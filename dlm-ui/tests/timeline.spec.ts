// The timeline of a lock: who held it at an instant, zoom and drag.
import type { Page } from '@playwright/test'
import { expect, open, test } from './fixtures'
import type { TestServer } from './server'

test('the crosshair says who held the lock, and a drag leads back in time', async ({ page, server }) => {
  await server.lock('t', { owner: 'holder-7' })
  await page.setViewportSize({ width: 1360, height: 1400 })
  await open(page, server, '/locks/t?span=1m')
  const timeline = page.getByRole('region', { name: 'Holders over time' })
  const chart = timeline.locator('.chart')
  const box = await chart.boundingBox()
  if (!box) throw new Error('the chart is not shown')
  const y = box.y + box.height / 2
  await page.mouse.move(box.x + box.width - 1, y)
  await expect(timeline.getByTestId('under')).toContainText('holder-7, token 1')
  await page.mouse.move(box.x + 10, y)
  await expect(timeline.getByTestId('under')).toContainText('free')

  await page.mouse.down()
  await page.mouse.move(box.x + box.width / 2, y, { steps: 4 })
  await page.mouse.up()
  await expect(page).toHaveURL(/window=\d+-\d+/)
  await page.reload()
  await expect(timeline.getByRole('button', { name: 'Now' })).toBeVisible()
  await timeline.getByRole('button', { name: 'Now' }).click()
  await expect(page).not.toHaveURL(/window=/)
})

test('the timeline is zoomed and moved by buttons', async ({ page, server }) => {
  await server.lock('t', { owner: 'holder-7' })
  await open(page, server, '/locks/t?span=1m')
  const timeline = page.getByRole('region', { name: 'Holders over time' })
  await timeline.getByRole('button', { name: 'Zoom in' }).click()
  const span = () => {
    const [from, to] = (new URL(page.url()).searchParams.get('window') ?? '0-0').split('-').map(Number)
    return (to ?? 0) - (from ?? 0)
  }
  await expect.poll(span).toBe(30_000)
  await timeline.getByRole('button', { name: 'Earlier' }).click()
  await timeline.getByRole('button', { name: 'Zoom out' }).click()
  await expect.poll(span).toBe(60_000)
  await timeline.getByRole('radio', { name: '10 min' }).click()
  await expect(page).not.toHaveURL(/window=/)
})

/** A lock that `early` held for a while, and that changed hands 300 times since. Returns when `early` let go. */
async function handOver(server: TestServer): Promise<number> {
  const first = await server.lock('t', { owner: 'early' })
  await new Promise((resolve) => setTimeout(resolve, 1_500))
  await server.release(first)
  const { events } = await server.newestEvents('t')
  for (let number = 0; number < 300; number += 1)
    await server.release(await server.lock('t', { owner: `quick-${number % 7}` }))
  await server.lock('t', { owner: 'late' })
  return Date.parse(events.at(-1)?.at ?? '')
}

/** What the page says of the instant at this share of the chart. */
async function under(page: Page, share: number) {
  const box = await page.locator('.chart').boundingBox()
  if (!box) throw new Error('the chart is not shown')
  await page.mouse.move(box.x + share * box.width, box.y + box.height / 2)
  return page.getByTestId('under')
}

test('a drag back in time loads the events of that time', async ({ page, server }) => {
  const end = await handOver(server)
  await page.setViewportSize({ width: 1360, height: 1400 })
  const requests: string[] = []
  page.on('request', (request) => {
    if (/\/v1\/events\?.*[&?](before|to)=/.test(request.url())) requests.push(request.url())
  })
  await open(page, server, `/locks/t?window=${end + 300}-${end + 1_300}`)
  const timeline = page.getByRole('region', { name: 'Holders over time' })
  await expect(await under(page, 0.02)).toContainText(/quick-\d, token|free/)
  // By 0.9 s to the past.
  await page.mouse.down()
  await under(page, 0.92)
  await page.mouse.up()
  await expect(await under(page, 0.1)).toContainText('early, token 1')
  await expect(timeline.locator('.unknown')).toHaveCount(0)
  const before = requests.length
  expect(before).toBeGreaterThan(0)
  await timeline.getByRole('button', { name: 'Earlier' }).click()
  await expect(
    page.getByText('The lock was free during this time.').or(timeline.locator('.bar')),
  ).not.toHaveCount(0)
  // The log has nothing older.
  expect(requests.length).toBe(before)
  await timeline.getByRole('button', { name: 'Now' }).click()
  await expect(await under(page, 0.999)).toContainText('late, token 302')
})

test('hours are looked at at a glance, on a narrow screen too', async ({ page, server }) => {
  await handOver(server)
  await page.setViewportSize({ width: 1360, height: 1400 })
  await open(page, server, '/locks/t?span=1m')
  const timeline = page.getByRole('region', { name: 'Holders over time' })
  await timeline.getByRole('radio', { name: '6 h', exact: true }).click()
  await expect(page).toHaveURL(/span=6h/)
  // The first event of the lock is loaded: nothing is unknown.
  await expect(timeline.locator('.unknown')).toHaveCount(0)
  await expect(await under(page, 0.5)).toContainText('free')
  await expect(timeline.locator('.bar').first()).toHaveAttribute('title', /leases from token|token \d/)
  await page.setViewportSize({ width: 360, height: 800 })
  const list = timeline.getByLabel('Time span')
  await expect(list).toHaveValue('6h')
  await list.selectOption('24 h')
  await expect(page).toHaveURL(/span=24h/)
  const tooWide = await page.evaluate(() => document.documentElement.scrollWidth > window.innerWidth)
  expect(tooWide).toBe(false)
})
