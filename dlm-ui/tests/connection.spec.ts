// The page reports whether its data is current.
import { expect, open, test } from './fixtures'

for (const path of ['/', '/locks', '/locks/a', '/events', '/playground?name=a']) {
  test(`a server crash and restart are reported at ${path}`, async ({ page, server }) => {
    await server.lock('a', { owner: 'survivor' })
    await open(page, server, path)
    await server.kill()
    const badge = page.getByTestId('live')
    await expect(badge).toHaveText(/Reconnecting|Stale since/)
    await expect(page.locator('main')).toHaveClass(/stale/)
    await expect(badge).toHaveText(/Stale since \d\d:\d\d:\d\d/, { timeout: 20_000 })
    await server.restart()
    await expect(badge).toHaveText('Live', { timeout: 20_000 })
    await expect(page.locator('main')).not.toHaveClass(/stale/)
    if (path !== '/') {
      await server.wait('a', 'after the restart')
      await expect(page.getByText('after the restart').or(page.getByText('contended')).first()).toBeVisible()
    }
  })
}

test('the times of a stale page stand still', async ({ page, server }) => {
  await server.lock('a', { owner: 'survivor' })
  await open(page, server, '/locks/a')
  const holder = page.getByTestId('holder')
  await server.kill()
  await expect(page.getByTestId('live')).toHaveText(/Stale since/)
  const before = await holder.textContent()
  await page.waitForTimeout(2_500)
  expect(await holder.textContent()).toBe(before)
})

test('a view that is opened while the server is away says so, and loads once it is back', async ({
  page,
  server,
}) => {
  await server.lock('a', { owner: 'survivor' })
  await open(page, server, '/')
  await server.kill()
  const badge = page.getByTestId('live')
  await expect(badge).toHaveText(/Stale since/)
  const since = await badge.textContent()
  for (const view of ['Locks', 'Events', 'Playground', 'Overview', 'Locks']) {
    await page.getByRole('link', { name: view, exact: true }).click()
    await expect(page.getByTestId('away')).toContainText('The server can’t be reached')
    await expect(badge).toHaveText(since ?? '')
  }
  await server.restart()
  await expect(page.getByRole('grid')).toContainText('survivor')
  await expect(badge).toHaveText('Live')
})

test('an expired cursor triggers a reload and a notice', async ({ page, server }) => {
  await server.lock('a')
  await open(page, server, '/locks')
  await page.context().setOffline(true)
  await server.kill()
  await expect(page.getByTestId('live')).not.toHaveText('Live')
  // The log is trimmed beyond the page's cursor.
  await server.restart('--event-limit', '1')
  await server.release(await server.lock('b'))
  const eventCount = async () =>
    (await server.call<{ events: unknown[] }>('/v1/events?limit=1000')).events.length
  await expect.poll(eventCount, { timeout: 30_000 }).toBe(1)
  await server.lock('c', { owner: 'new' })
  await page.context().setOffline(false)
  await expect(page.getByText('no longer in the log')).toBeVisible({ timeout: 15_000 })
  await expect(page.getByRole('grid')).toContainText('new')
  await expect(page.getByTestId('live')).toHaveText('Live')
})

test('times use the server’s clock and are shown as relative or absolute, UTC or local', async ({
  page,
  server,
}) => {
  await server.lock('a')
  // The browser's clock is an hour behind.
  await page.addInitScript(() => {
    const real = Date.now
    Date.now = () => real() - 3_600_000
  })
  await open(page, server, '/locks/a')
  const time = page.getByTestId('event').first().locator('time')
  await expect(time).toHaveText(/^\d+(\.\d)? (ms|s) ago$/)
  await page.getByRole('button', { name: 'Settings' }).click()
  await page.getByRole('radio', { name: 'Absolute' }).click()
  const at = new Date((await time.getAttribute('datetime')) ?? '')
  await expect(time).toHaveText(`${at.toISOString().slice(11, 23)} UTC`)
  await page.getByRole('radio', { name: 'Local' }).click()
  const local = at.toLocaleTimeString('sv-SE', { timeZone: 'Europe/Zurich' })
  await expect(time).toHaveText(`${local}.${at.toISOString().slice(20, 23)} local`)
})

test('a hidden page renders nothing and catches up once visible', async ({ page, server }) => {
  await open(page, server, '/events')
  await page.evaluate(() => {
    Object.defineProperty(document, 'hidden', { configurable: true, get: () => true })
    document.dispatchEvent(new Event('visibilitychange'))
  })
  for (let number = 0; number < 5; number += 1) await server.lock(`hidden/${number}`)
  // By the time a visible page shows the events, the hidden one has received them.
  const other = await page.context().newPage()
  await other.goto(`${server.url}/events`)
  await expect(other.getByTestId('event')).toHaveCount(5)
  expect(await page.getByTestId('event').count()).toBe(0)
  await page.evaluate(() => {
    Object.defineProperty(document, 'hidden', { configurable: true, get: () => false })
    document.dispatchEvent(new Event('visibilitychange'))
  })
  await expect(page.getByTestId('event')).toHaveCount(5)
})
