// The page says whether what it shows is what is so now.
import { expect, open, test } from './fixtures'

for (const path of ['/', '/locks', '/locks/a', '/events', '/playground?name=a']) {
  test(`a server that is killed and comes back is told at ${path}`, async ({ page, server }) => {
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

test('a cursor that was lost reloads by itself and says so', async ({ page, server }) => {
  await server.lock('a')
  await open(page, server, '/locks')
  await page.context().setOffline(true)
  await server.kill()
  await expect(page.getByTestId('live')).not.toHaveText('Live')
  // Meanwhile the log is trimmed past the page's cursor.
  await server.restart('--event-limit', '1')
  await server.release(await server.lock('b'))
  const kept = async () => (await server.call<{ events: unknown[] }>('/v1/events?limit=1000')).events.length
  await expect.poll(kept, { timeout: 30_000 }).toBe(1)
  await server.lock('c', { owner: 'new' })
  await page.context().setOffline(false)
  await expect(page.getByText('no longer had the events')).toBeVisible({ timeout: 15_000 })
  await expect(page.getByRole('grid')).toContainText('new')
  await expect(page.getByTestId('live')).toHaveText('Live')
})

test('times are shown in UTC or local, relative or absolute, by the server’s clock', async ({
  page,
  server,
}) => {
  await server.lock('a')
  // A browser whose clock is an hour behind.
  await page.addInitScript(() => {
    const real = Date.now
    Date.now = () => real() - 3_600_000
  })
  await open(page, server, '/locks/a')
  const when = page.getByTestId('event').first().locator('time')
  await expect(when).toHaveText(/^\d+(\.\d)? (ms|s) ago$/)
  await page.getByRole('button', { name: 'Settings' }).click()
  await page.getByRole('radio', { name: 'Clock' }).click()
  const at = new Date((await when.getAttribute('datetime')) ?? '')
  await expect(when).toHaveText(at.toISOString().slice(11, 19))
  await page.getByRole('radio', { name: 'Local' }).click()
  await expect(when).toHaveText(at.toLocaleTimeString('sv-SE', { timeZone: 'Europe/Zurich' }))
})

test('a hidden page draws nothing and catches up when it is seen', async ({ page, server }) => {
  await open(page, server, '/events')
  await page.evaluate(() => {
    Object.defineProperty(document, 'hidden', { configurable: true, get: () => true })
    document.dispatchEvent(new Event('visibilitychange'))
  })
  for (let number = 0; number < 5; number += 1) await server.lock(`hidden/${number}`)
  // What is not hidden has it by then.
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
