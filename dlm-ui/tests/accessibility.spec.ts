// For everyone: both themes, the keyboard alone, a narrow screen, a screen reader, and names that mean harm.
import AxeBuilder from '@axe-core/playwright'
import type { Locator, Page } from '@playwright/test'
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

  test(`what is stale, paused, set, waited for and held has no violation in ${theme}`, async ({
    page,
    server,
  }) => {
    test.setTimeout(120_000)
    await fill(server)
    await page.emulateMedia({ colorScheme: theme, reducedMotion: 'reduce' })
    await open(page, server, '/playground?name=play')
    for (const player of ['player-a', 'player-b']) {
      await page.getByTestId(player).getByRole('button', { name: 'Acquire' }).click()
    }
    await expect(page.getByTestId('player-a').getByTestId('phase')).toContainText('holds')
    await expect(page.getByTestId('player-b').getByTestId('phase')).toContainText('waits')
    expect(await violations(page)).toEqual([])
    await page.goto(`${server.url}/events?paused=1`)
    await expect(page.getByTestId('live')).toHaveText('Paused')
    expect(await violations(page)).toEqual([])
    await page.getByRole('button', { name: 'Settings' }).click()
    await expect(page.getByRole('dialog', { name: 'Settings' })).toBeVisible()
    expect(await violations(page)).toEqual([])
    for (const path of ['/', '/locks', '/locks/orders%2F42', '/events']) {
      await open(page, server, path)
      await server.kill()
      await expect(page.getByTestId('live')).toHaveText(/Stale since/, { timeout: 20_000 })
      expect(await violations(page)).toEqual([])
      await server.restart()
    }
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

/** A key stays down for a moment when a finger presses it; a choice is made by the one that is down. */
const TAP = { delay: 80 }

/** Goes on by keyboard to what has to be reached. */
async function reach(page: Page, target: Locator, key = 'Tab'): Promise<void> {
  for (let steps = 0; steps < 60; steps += 1) {
    if (await target.evaluate((element) => element === document.activeElement)) return
    await page.keyboard.press(key)
  }
  await expect(target).toBeFocused()
}

test('everything is done by keyboard alone', async ({ page, server }) => {
  await server.lock('jobs/1', { owner: 'one' })
  await server.lock('jobs/2', { owner: 'two' })
  await server.lock('other', { owner: 'three' })
  await open(page, server, '/')
  await page.keyboard.press('/')
  await expect(page.getByLabel('Name begins with')).toBeFocused()
  await page.keyboard.type('jobs/')
  await expect(page.getByTestId('count')).toHaveText('2 locks')
  await page.keyboard.press('ArrowDown')
  await expect(page.getByRole('grid')).toBeFocused()
  // Enter on a heading sorts; on the list it opens the lock that the keyboard is at.
  await reach(page, page.getByRole('button', { name: 'Token' }))
  await page.keyboard.press('Enter')
  await expect(page).toHaveURL(/sort=token/)
  await expect(page.getByRole('columnheader', { name: 'Token' })).toHaveAttribute('aria-sort', 'descending')
  await reach(page, page.getByRole('button', { name: 'Name' }), 'Shift+Tab')
  await page.keyboard.press('Enter')
  await expect(page).not.toHaveURL(/sort=/)
  await reach(page, page.getByRole('radio', { name: 'Held', exact: true }), 'Shift+Tab')
  await page.keyboard.press('ArrowRight', TAP)
  await expect(page).toHaveURL(/state=waiting/)
  await expect(page.getByText('No lock matches')).toBeVisible()
  await page.keyboard.press('ArrowRight', TAP)
  await expect(page.getByTestId('count')).toHaveText('2 locks')
  await reach(page, page.getByRole('grid'))
  await page.keyboard.press('ArrowDown')
  await page.keyboard.press('Enter')
  await expect(page.getByTestId('name')).toHaveText('jobs/2')
  await expect(page.getByTestId('holder')).toBeVisible()

  await reach(page, page.getByRole('button', { name: 'Force-release…' }))
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
  // Space on a button presses it, and no more.
  await reach(page, page.getByRole('button', { name: 'granted' }))
  await page.keyboard.press('Space')
  await expect(page).toHaveURL(/kinds=granted/)
  await expect(page.getByTestId('live')).toHaveText('Paused')
  await reach(page, page.getByRole('button', { name: 'Export 3' }), 'Shift+Tab')
  const download = page.waitForEvent('download')
  await page.keyboard.press('Enter')
  expect((await download).suggestedFilename()).toBe('events.jsonl')

  await page.keyboard.press('p')
  await reach(page, page.getByTestId('player-a').getByRole('button', { name: 'Acquire' }))
  await page.keyboard.press('Enter')
  await expect(page.getByTestId('player-a').getByTestId('phase')).toContainText('holds it')

  await reach(page, page.getByRole('button', { name: 'Settings' }), 'Shift+Tab')
  await page.keyboard.press('Enter')
  await reach(page, page.getByRole('radio', { name: 'On', exact: true }))
  await page.keyboard.press('ArrowRight', TAP)
  await page.keyboard.press('Escape')
  await page.keyboard.press('?')
  await page.keyboard.press('l')
  await expect(page.getByRole('heading', { name: 'Playground' })).toBeVisible()
  await expect(page.getByRole('dialog')).toBeHidden()
})

test('the keyboard stays on its lock when others come above it', async ({ page, server }) => {
  await server.lock('b')
  await server.lock('c')
  await open(page, server, '/locks')
  const grid = page.getByRole('grid')
  await grid.focus()
  await page.keyboard.press('ArrowDown')
  await server.lock('a')
  // Rows keep their places for a moment after a key.
  await expect(page.getByRole('row').nth(1)).toContainText('a', { timeout: 15_000 })
  await expect(grid).toHaveAttribute('aria-activedescendant', 'lock-row-2')
  await page.keyboard.press('Enter')
  await expect(page.getByTestId('name')).toHaveText('c')
})

test('a screen reader is told of changes, politely', async ({ page, server }) => {
  await open(page, server, '/locks')
  await server.lock('a')
  await server.lock('b')
  await expect(page.locator('[aria-live=polite]')).toHaveText('2 locks', { timeout: 20_000 })
  await open(page, server, '/locks/a')
  await server.wait('a', 'api-8')
  await expect(page.locator('[aria-live=polite]')).toContainText('1 waiting', { timeout: 20_000 })
  await open(page, server, '/events')
  await server.lock('d')
  await expect(page.locator('[aria-live=polite]')).toContainText('granted d last', { timeout: 20_000 })
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
  const playground = `/playground?name=${encodeURIComponent(HARM)}`
  for (const path of ['/', '/locks', '/events', playground, `/locks/${encodeURIComponent(HARM)}`]) {
    await open(page, server, path)
    await expect(page.getByText(HARM).first()).toBeVisible()
    expect(await page.locator('img').count()).toBe(0)
  }
  await page.getByRole('button', { name: 'Force-release…' }).click()
  await expect(page.getByRole('alertdialog')).toContainText(HARM)
  expect(await page.locator('img').count()).toBe(0)
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
