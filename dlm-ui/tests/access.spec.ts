// For everyone: both themes, the keyboard alone, a narrow screen, a screen reader, and names that mean harm.
import AxeBuilder from '@axe-core/playwright'
import type { Page } from '@playwright/test'
import { expect, open, test } from './fixtures'
import type { TestServer } from './server'

const HARM = '<img src=x onerror=alert(1)>'

const VIEWS = [
  ['overview', '/'],
  ['locks', '/locks'],
  ['lock', '/locks/orders%2F42'],
  ['events', '/events'],
  ['playground', '/playground'],
] as const

async function fill(server: TestServer): Promise<void> {
  await server.lock('orders/42', { owner: 'api-7', metadata: { job: 'nightly' } })
  await server.wait('orders/42', 'api-8')
  await server.lock('lost', { owner: 'gone', ttl_ms: 100 })
  await server.lock('report', { owner: 'reader', mode: 'shared' })
}

async function violations(page: Page): Promise<string[]> {
  const { violations } = await new AxeBuilder({ page }).analyze()
  return violations.flatMap(({ id, nodes }) =>
    nodes.map((node) => `${id}: ${node.html} ${node.failureSummary}`),
  )
}

for (const theme of ['light', 'dark'] as const) {
  for (const [name, path] of VIEWS) {
    test(`${name} has no violation in ${theme}`, async ({ page, server }) => {
      await fill(server)
      await page.emulateMedia({ colorScheme: theme, reducedMotion: 'reduce' })
      await open(page, server, path)
      expect(await violations(page)).toEqual([])
    })
  }

  test(`dialogs and empty states have no violation in ${theme}`, async ({ page, server }) => {
    await page.emulateMedia({ colorScheme: theme, reducedMotion: 'reduce' })
    for (const path of ['/', '/locks', '/events', '/locks?prefix=nothing', '/locks/never-used']) {
      await open(page, server, path)
      expect(await violations(page)).toEqual([])
    }
    await page.keyboard.press('?')
    await expect(page.getByRole('dialog')).toBeVisible()
    expect(await violations(page)).toEqual([])
    await fill(server)
    await open(page, server, '/locks/orders%2F42')
    await page.getByRole('button', { name: 'Force-release…' }).click()
    await expect(page.getByRole('alertdialog')).toBeVisible()
    expect(await violations(page)).toEqual([])
  })
}

test('the theme is the system’s until one chooses', async ({ page, server }) => {
  await page.emulateMedia({ colorScheme: 'dark' })
  await open(page, server, '/')
  const background = () => page.evaluate(() => getComputedStyle(document.body).backgroundColor)
  const dark = await background()
  await page.getByRole('button', { name: 'Settings' }).click()
  await page.getByRole('radio', { name: 'Light' }).click()
  const light = await background()
  expect(light).not.toBe(dark)
  await page.reload()
  expect(await background()).toBe(light)
})

test('everything is done by keyboard alone', async ({ page, server }) => {
  await server.lock('jobs/1', { owner: 'one' })
  await server.lock('jobs/2', { owner: 'two' })
  await open(page, server, '/')
  await page.keyboard.press('/')
  await expect(page.getByLabel('Name begins with')).toBeFocused()
  await page.keyboard.type('jobs/')
  await expect(page.getByTestId('count')).toHaveText('2 locks')
  await page.keyboard.press('ArrowDown')
  await expect(page.getByRole('grid')).toBeFocused()
  await page.keyboard.press('ArrowDown')
  await page.keyboard.press('Enter')
  await expect(page.getByTestId('name')).toHaveText('jobs/2')
  await expect(page.getByTestId('holder')).toBeVisible()

  const force = page.getByRole('button', { name: 'Force-release…' })
  for (let steps = 0; steps < 40; steps += 1) {
    if (await force.evaluate((button) => button === document.activeElement)) break
    await page.keyboard.press('Tab')
  }
  await page.keyboard.press('Enter')
  await expect(page.getByRole('button', { name: 'Cancel' })).toBeFocused()
  await page.keyboard.press('Shift+Tab')
  await expect(page.getByLabel(/Reason/)).toBeFocused()
  await page.keyboard.type('by hand')
  await page.keyboard.press('Enter')
  await expect(page.getByText('Nobody holds it.')).toBeVisible()

  await page.keyboard.press('?')
  await expect(page.getByRole('dialog', { name: 'Help' })).toBeVisible()
  await page.keyboard.press('Escape')
  await page.keyboard.press('e')
  await expect(page.getByRole('heading', { name: 'Events' })).toBeVisible()
  await page.keyboard.press('Space')
  await expect(page.getByTestId('live')).toHaveText('Paused')
})

test('a screen reader is told of changes, politely', async ({ page, server }) => {
  await open(page, server, '/locks')
  await server.lock('a')
  await server.lock('b')
  await expect(page.locator('[aria-live=polite]')).toHaveText('2 locks', { timeout: 15_000 })
})

for (const [name, path] of VIEWS) {
  test(`${name} fits a screen 360 px wide`, async ({ page, server }) => {
    await fill(server)
    await page.setViewportSize({ width: 360, height: 740 })
    await open(page, server, path)
    const wide = await page.evaluate(() => document.documentElement.scrollWidth)
    expect(wide).toBeLessThanOrEqual(360)
    await expect(page.getByRole('link', { name: 'Events', exact: true })).toBeVisible()
  })
}

test('names, owners, metadata and reasons are text wherever they come out', async ({ page, server }) => {
  const asked: string[] = []
  page.on('dialog', (dialog) => {
    asked.push(dialog.message())
    void dialog.dismiss()
  })
  const lease = await server.lock(HARM, { owner: HARM, metadata: { [HARM]: HARM } })
  await server.wait(HARM, HARM)
  for (const path of ['/', '/locks', `/locks/${encodeURIComponent(HARM)}`, '/events']) {
    await open(page, server, path)
    await expect(page.getByText(HARM).first()).toBeVisible()
    expect(await page.locator('img').count()).toBe(0)
  }
  await server.call(`/v1/locks/${encodeURIComponent(HARM)}/force-release`, {
    fencing_token: lease.fencing_token,
    reason: HARM,
  })
  await open(page, server, `/locks/${encodeURIComponent(HARM)}`)
  await expect(page.getByTestId('event').filter({ hasText: 'force-released' })).toContainText(`“${HARM}”`)
  expect(await page.locator('img').count()).toBe(0)
  expect(asked).toEqual([])
})

test('empty states help', async ({ page, server }) => {
  await open(page, server, '/locks')
  await expect(page.getByText('No lock is held now')).toBeVisible()
  await expect(page.getByLabel('curl', { exact: true })).toContainText('/v1/locks/orders%2F42/acquire')
  await server.lock('a')
  await open(page, server, '/locks?prefix=zzz')
  await page.getByRole('button', { name: 'Clear filters' }).click()
  await expect(page.getByTestId('count')).toHaveText('1 lock')
})
