// Time travel: each view as it was at an instant.
import type { Page } from '@playwright/test'
import { violations } from './axe'
import { expect, open, test } from './fixtures'
import type { TestServer } from './server'

/** A lock that `deploy` holds at the returned instant, while `api-7` waits, and which is now held by `api-7`. */
async function past(server: TestServer): Promise<string> {
  const lease = await server.lock('migrate', { owner: 'deploy' })
  await server.lock('gone', { owner: 'short', ttl_ms: 1_500 })
  await server.wait('migrate', 'api-7')
  const { events } = await server.newestEvents('migrate')
  const at = events.at(-1)?.at
  if (!at) throw new Error('no event')
  // The next event is not of the same millisecond.
  await new Promise((resolve) => setTimeout(resolve, 1_100))
  await server.release(lease)
  await server.lock('new', { owner: 'later' })
  await expect.poll(async () => (await server.newestEvents('gone')).events.at(-1)?.kind).toBe('expired')
  return at
}

const instant = (page: Page) => page.getByTestId('instant')
const at = (text: string) => new RegExp(`at=${text.replaceAll(/[.:]/g, (mark) => `(\\${mark}|%3A)`)}`)

interface Case {
  name: string
  path: string
  /** Rows of the view, and what is in them at the instant. */
  rows: string
  then: RegExp[]
  /** What is only there now. */
  now: RegExp
}

const VIEWS: readonly Case[] = [
  { name: 'overview', path: '/', rows: 'queue', then: [/migrate\s*1\s*api-7.*deploy/], now: /later/ },
  {
    name: 'locks',
    path: '/locks',
    rows: 'past',
    then: [/gone.*short/, /migrate.*deploy, token 1.*api-7/],
    now: /new/,
  },
  {
    name: 'lock',
    path: '/locks/migrate',
    rows: 'holder',
    then: [/deploy\s*exclusive\s*1\s*for /],
    now: /api-7/,
  },
  { name: 'owners', path: '/owners', rows: 'owner', then: [/deploy/, /short/, /api-7/], now: /later/ },
  { name: 'owner', path: '/owners/deploy', rows: 'hold', then: [/migrate.*1.*for /], now: /new/ },
  {
    name: 'events',
    path: '/events',
    rows: 'event',
    then: [/queued.*migrate/, /granted.*gone/, /granted.*migrate/],
    now: /released/,
  },
]

for (const { name, path, rows, then, now } of VIEWS) {
  test(`the ${name} view shows what was there at the instant, and nothing of what is there now`, async ({
    page,
    server,
  }) => {
    const moment = await past(server)
    await page.goto(`${server.url}${path}?at=${moment}`)
    await expect(page.getByTestId('live')).toHaveText('Past')
    await expect(instant(page)).toContainText('As it was at ')
    const shown = page.getByTestId(rows)
    await expect(shown).toHaveCount(then.length)
    for (const [index, text] of then.entries()) await expect(shown.nth(index)).toHaveText(text)
    await expect(shown.filter({ hasText: now })).toHaveCount(0)
    await expect(page).toHaveTitle(/\(past\)/)

    await page.getByRole('button', { name: 'Now', exact: true }).click()
    await expect(page.getByTestId('live')).toHaveText('Live')
    await expect(page).not.toHaveURL(/at=/)
    await expect(instant(page)).toHaveCount(0)
    // The button that had the focus is gone.
    await expect(page.locator('#main')).toBeFocused()
  })
}

test('each view leads to its past, and the button leads back', async ({ page, server }) => {
  await past(server)
  for (const { path, rows } of VIEWS) {
    await open(page, server, path)
    const button = page.getByRole('button', { name: 'At an earlier instant' })
    await button.click()
    await expect(page).toHaveURL(/at=20/)
    await expect(instant(page)).toContainText('As it was at ')
    if (path !== '/owners/deploy' && path !== '/') await expect(page.getByTestId(rows).first()).toBeVisible()
    await button.click()
    await expect(page).not.toHaveURL(/at=/)
    await expect(page.getByTestId('live')).toHaveText('Live')
  }
  await page.goto(`${server.url}/playground`)
  await expect(page.getByTestId('client-a')).toBeVisible()
  await expect(page.getByRole('button', { name: 'At an earlier instant' })).toHaveCount(0)
})

test('the slider and the keyboard lead to another instant, whose link shows the same', async ({
  page,
  server,
}) => {
  const moment = await past(server)
  await page.goto(`${server.url}/locks?at=${moment}`)
  const rows = page.getByTestId('past')
  await expect(rows.filter({ hasText: 'migrate' })).toContainText('deploy, token 1')
  await page.getByRole('slider', { name: 'Instant' }).focus()
  await page.keyboard.press('End')
  await expect(rows.filter({ hasText: 'migrate' })).toContainText('api-7, token ')
  await page.keyboard.press('Home')
  await expect(rows.filter({ hasText: 'migrate' })).toContainText('deploy, token 1')
  const [link, text] = [page.url(), await instant(page).textContent()]
  await page.goto('about:blank')
  await page.goto(link)
  await expect(instant(page)).toHaveText(text ?? '')
  await expect(rows.filter({ hasText: 'migrate' })).toContainText('deploy, token 1')
})

test('navigation keeps the instant between views that have a past, and Back leads to the present', async ({
  page,
  server,
}) => {
  const moment = await past(server)
  await open(page, server, '/locks')
  await page.goto(`${server.url}/locks?at=${moment}`)
  await page.getByTestId('past').getByRole('link', { name: 'migrate' }).click()
  await expect(page).toHaveURL(at(moment))
  await page.getByTestId('holder').getByRole('link', { name: 'deploy' }).click()
  await expect(page.getByTestId('hold')).toHaveCount(1)
  await expect(page).toHaveURL(at(moment))
  for (const view of ['Events', 'Owners', 'Overview', 'Locks']) {
    await page.getByRole('navigation').getByRole('link', { name: view }).click()
    await expect(instant(page)).toBeVisible()
    await expect(page).toHaveURL(at(moment))
  }
  await page.keyboard.press('e')
  await expect(page).toHaveURL(/events\?/)
  await expect(page).toHaveURL(at(moment))
  await page.getByRole('navigation').getByRole('link', { name: 'Playground' }).click()
  await expect(page).not.toHaveURL(/at=/)
  await page.getByRole('navigation').getByRole('link', { name: 'Overview' }).click()
  await expect(page.getByTestId('live')).toHaveText('Live')
  await page.goBack()
  await page.goBack()
  await expect(page).toHaveURL(at(moment))
  for (let steps = 0; steps < 7; steps += 1) await page.goBack()
  await expect(page).toHaveURL(/locks\?at=/)
  await page.goBack()
  await expect(page).not.toHaveURL(/at=/)
  await expect(page.getByTestId('live')).toHaveText('Live')
})

test('the palette leads to the past of a page, and to other pages of the same instant', async ({
  page,
  server,
}) => {
  await past(server)
  await open(page, server, '/locks/migrate')
  await page.keyboard.press('Control+k')
  await page.keyboard.type('earlier instant')
  await page.getByTestId('choice').filter({ hasText: 'This page' }).click()
  await expect(page).toHaveURL(/locks\/migrate\?at=20/)
  await page.keyboard.press('Control+k')
  await page.keyboard.type('go to owners')
  await page.keyboard.press('Enter')
  await expect(page).toHaveURL(/owners\?at=20/)
  await page.keyboard.press('Control+k')
  await page.keyboard.type('back to now')
  await page.keyboard.press('Enter')
  await expect(page.getByTestId('live')).toHaveText('Live')
})

test('the address that the past of the locks had leads there', async ({ page, server }) => {
  const moment = await past(server)
  await page.goto(`${server.url}/state?at=${moment}&prefix=mig&owner=deploy`)
  await expect(page).toHaveURL(/\/locks\?/)
  await expect(page).toHaveURL(at(moment))
  await expect(page.getByTestId('past')).toHaveText(/migrate.*deploy, token 1/)
  await page.goto(`${server.url}/state`)
  await expect(page.getByTestId('past').filter({ hasText: 'new' })).toBeVisible()
  await expect(page).toHaveURL(/\/locks\?at=20/)
})

test('an instant that the log does not cover is unknown, and there is a way back', async ({
  page,
  server,
}) => {
  await past(server)
  for (const wrong of ['2999-01-01T00:00:00.000Z', 'yesterday']) {
    await page.goto(`${server.url}/locks?at=${wrong}`)
    await expect(page.getByTestId('unknown')).toContainText('not known')
    await expect(page.getByTestId('past')).toHaveCount(0)
    await page.getByRole('button', { name: 'Now', exact: true }).click()
    await expect(page.getByTestId('live')).toHaveText('Live')
  }
})

test('the overview says who waited for whom, and which of them might have been in a deadlock', async ({
  page,
  server,
}) => {
  const schema = await server.lock('schema', { owner: 'migration' })
  await server.lock('orders', { owner: 'importer' })
  const a = await server.lock('a', { owner: 'x' })
  await server.lock('b', { owner: 'y' })
  await server.wait('schema', 'importer')
  await server.wait('a', 'y')
  await server.wait('b', 'x')
  await server.wait('orders', 'api-7')
  const { events } = await server.newestEvents('orders')
  const moment = events.at(-1)?.at ?? ''
  await expect.poll(() => Date.now()).toBeGreaterThan(Date.parse(moment) + 1)
  await server.release(schema)
  await server.release(a)

  await open(page, server, '/')
  await expect(page.getByTestId('live')).toHaveText('Live')
  await expect(page.getByRole('region', { name: /^Who wait/ })).toHaveCount(0)
  await page.goto(`${server.url}/?at=${moment}`)
  const lines = page.getByRole('region', { name: 'Who waited for whom' }).getByRole('listitem')
  await expect(lines).toHaveText([
    /Possible deadlock: [xy], holding\s+[ab]\s+\(would have freed 1 directly, 2 in all\), waited for [xy], holding\s+[ab].*, waited for [xy] – oldest wait \d/,
    /importer, holding\s+orders\s+\(blocked 1\), waited for migration, holding\s+schema\s+– 2\s+waited behind it, oldest \d/,
  ])
  await page.setViewportSize({ width: 360, height: 740 })
  expect(await violations(page)).toEqual([])
  expect(await page.evaluate(() => document.documentElement.scrollWidth)).toBeLessThanOrEqual(360)
  await lines.last().getByRole('link', { name: 'schema' }).click()
  await expect(page.getByTestId('holder')).toContainText('migration')
  await expect(page).toHaveURL(at(moment))
  await page.goBack()
  await lines.last().getByRole('link', { name: 'importer' }).click()
  await expect(page.getByTestId('hold')).toContainText('schema')
  await expect(page).toHaveURL(at(moment))
})

test('the past has no actions', async ({ page, server }) => {
  const moment = await past(server)
  await page.goto(`${server.url}/locks/migrate?at=${moment}`)
  await expect(page.getByTestId('holder')).toBeVisible()
  await expect(page.getByRole('button', { name: /release/i })).toHaveCount(0)
})

for (const theme of ['light', 'dark'] as const) {
  test(`views of the past have no axe violations in the ${theme} theme, and fit 360 px`, async ({
    page,
    server,
  }) => {
    const moment = await past(server)
    await page.emulateMedia({ colorScheme: theme, reducedMotion: 'reduce' })
    await page.setViewportSize({ width: 360, height: 740 })
    for (const { path, rows } of VIEWS) {
      await page.goto(`${server.url}${path}?at=${moment}`)
      await expect(page.getByTestId(rows).first()).toBeVisible()
      await expect(page.getByText('Loading…', { exact: true })).toHaveCount(0)
      expect(await violations(page), path).toEqual([])
      const width = await page.evaluate(() => document.documentElement.scrollWidth)
      expect(width, path).toBeLessThanOrEqual(360)
    }
  })
}
