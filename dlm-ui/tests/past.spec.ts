// Time travel: the locks as they were at an instant.
import AxeBuilder from '@axe-core/playwright'
import { expect, test } from './fixtures'
import type { TestServer } from './server'

/** Locks that are held at the returned instant, and free now. */
async function past(server: TestServer): Promise<string> {
  const lease = await server.lock('migrate', { owner: 'deploy' })
  await server.wait('migrate', 'api-7')
  const { events } = await server.newestEvents('migrate')
  const at = events.at(-1)?.at
  if (!at) throw new Error('no event')
  // The next event is not of the same millisecond.
  await new Promise((resolve) => setTimeout(resolve, 1_100))
  await server.release(lease)
  return at
}

test('a link shows the locks as they were, and the slider leads to another instant', async ({
  page,
  server,
}) => {
  const at = await past(server)
  await page.goto(`${server.url}/state?at=${at}`)
  const row = page.getByTestId('past')
  await expect(row).toContainText('migrate')
  await expect(row).toContainText('deploy, token 1, for ')
  await expect(row).toContainText('api-7')
  await page.getByRole('button', { name: 'Now', exact: true }).click()
  await expect(row).toContainText('api-7, token 2, for ')
  await expect(page).not.toHaveURL(/at=/)
  await page.getByRole('slider', { name: 'Instant' }).focus()
  await page.keyboard.press('Home')
  await expect(page).toHaveURL(/at=/)
  await expect(row).toContainText('deploy, token 1')
})

test('an instant that the log does not cover is unknown, and there is a way back', async ({
  page,
  server,
}) => {
  await past(server)
  await page.goto(`${server.url}/state`)
  await expect(page.getByTestId('past')).toBeVisible()
  await page.goto(`${server.url}/state?at=2999-01-01T00:00:00.000Z`)
  await expect(page.getByTestId('unknown')).toContainText('not known')
  await page.getByRole('button', { name: 'Show the locks now' }).click()
  await expect(page.getByTestId('past')).toBeVisible()
})

test('the past of a lock and of an owner is reached from their pages', async ({ page, server }) => {
  const at = await past(server)
  await server.lock('other', { owner: 'else' })
  await page.goto(`${server.url}/locks/migrate`)
  await page.getByRole('link', { name: 'At an earlier instant' }).click()
  await expect(page).toHaveURL(/state\?prefix=migrate/)
  await expect(page.getByTestId('past')).toHaveCount(1)
  await page.goto(`${server.url}/owners/api-7`)
  await page.getByRole('link', { name: 'At an earlier instant' }).click()
  const rows = page.getByTestId('past')
  await expect(rows).toHaveCount(1)
  await expect(rows).toContainText('api-7, token 2')
  await page.getByTestId('owner').click()
  await expect(rows).toHaveCount(2)
  await page.goto(`${server.url}/state?owner=api-7&at=${at}`)
  await expect(rows).toContainText('deploy, token 1')
})

for (const theme of ['light', 'dark'] as const) {
  test(`time travel has no axe violations in the ${theme} theme, and fits 360 px`, async ({
    page,
    server,
  }) => {
    const at = await past(server)
    await page.emulateMedia({ colorScheme: theme, reducedMotion: 'reduce' })
    await page.setViewportSize({ width: 360, height: 740 })
    await page.goto(`${server.url}/state?at=${at}`)
    await expect(page.getByTestId('past')).toBeVisible()
    const { violations } = await new AxeBuilder({ page }).analyze()
    expect(violations.map(({ id, nodes }) => [id, nodes.map(({ html }) => html)])).toEqual([])
    expect(await page.evaluate(() => document.documentElement.scrollWidth)).toBeLessThanOrEqual(360)
  })
}
