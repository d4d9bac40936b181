// Accessibility in both themes, keyboard operation, narrow screens, screen readers, and malicious names.
import { violations } from './axe'
import { expect, open, test } from './fixtures'
import { tabTo } from './keyboard'
import type { TestServer } from './server'

const MALICIOUS = '<img src=x onerror=alert(1)>'

const VIEWS = [
  ['overview', '/'],
  ['locks', '/locks'],
  ['lock', '/locks/orders%2F42'],
  ['events', '/events'],
  ['playground', '/playground'],
] as const

async function populate(server: TestServer): Promise<void> {
  await server.lock('orders/42', { owner: 'api-7', metadata: { job: 'nightly' } })
  await server.wait('orders/42', 'api-8')
  await server.lock('lost', { owner: 'crashed', ttl_ms: 100 })
  await server.lock('report', { owner: 'reader', mode: 'shared' })
}

for (const theme of ['light', 'dark'] as const) {
  for (const [name, path] of VIEWS) {
    test(`${name} has no axe violations in the ${theme} theme`, async ({ page, server }) => {
      await populate(server)
      await page.emulateMedia({ colorScheme: theme, reducedMotion: 'reduce' })
      await open(page, server, path)
      expect(await violations(page)).toEqual([])
    })
  }

  test(`dialogs and empty states have no axe violations in the ${theme} theme`, async ({ page, server }) => {
    await page.emulateMedia({ colorScheme: theme, reducedMotion: 'reduce' })
    for (const path of ['/', '/locks', '/events', '/locks?prefix=nothing', '/locks/never-used']) {
      await open(page, server, path)
      expect(await violations(page)).toEqual([])
    }
    await page.keyboard.press('?')
    await expect(page.getByRole('dialog')).toBeVisible()
    expect(await violations(page)).toEqual([])
    await populate(server)
    await open(page, server, '/locks/orders%2F42')
    await page.getByRole('button', { name: 'Force-release…' }).click()
    await expect(page.getByRole('alertdialog')).toBeVisible()
    expect(await violations(page)).toEqual([])
  })

  test(`stale, paused, waiting and holding states have no axe violations in the ${theme} theme`, async ({
    page,
    server,
  }) => {
    test.setTimeout(120_000)
    await populate(server)
    await page.emulateMedia({ colorScheme: theme, reducedMotion: 'reduce' })
    await open(page, server, '/playground?name=play')
    for (const client of ['client-a', 'client-b']) {
      await page.getByTestId(client).getByRole('button', { name: 'Acquire' }).click()
    }
    await expect(page.getByTestId('client-a').getByTestId('phase')).toContainText('holding')
    await expect(page.getByTestId('client-b').getByTestId('phase')).toContainText('waiting')
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

test('the theme follows the system until one is selected', async ({ page, server }) => {
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

/** A radio group selects on keydown only while the key is held, as it is when a person presses it. */
const KEY_PRESS = { delay: 80 }

test('every operation is available by keyboard', async ({ page, server }) => {
  await server.lock('jobs/1', { owner: 'one' })
  await server.lock('jobs/2', { owner: 'two' })
  await server.lock('other', { owner: 'three' })
  await open(page, server, '/')
  await page.keyboard.press('/')
  await expect(page.getByLabel('Name prefix')).toBeFocused()
  await page.keyboard.type('jobs/')
  await expect(page.getByTestId('count')).toHaveText('2 locks')
  await page.keyboard.press('ArrowDown')
  await expect(page.getByRole('grid')).toBeFocused()
  // Enter on a column header sorts; on the list it opens the active lock.
  await tabTo(page, page.getByRole('button', { name: 'Token' }))
  await page.keyboard.press('Enter')
  await expect(page).toHaveURL(/sort=token/)
  await expect(page.getByRole('columnheader', { name: 'Token' })).toHaveAttribute('aria-sort', 'descending')
  await tabTo(page, page.getByRole('button', { name: 'Name' }), 'Shift+Tab')
  await page.keyboard.press('Enter')
  await expect(page).not.toHaveURL(/sort=/)
  await tabTo(page, page.getByRole('radio', { name: 'Held', exact: true }), 'Shift+Tab')
  await page.keyboard.press('ArrowRight', KEY_PRESS)
  await expect(page).toHaveURL(/state=waiting/)
  await expect(page.getByText('No locks match this filter')).toBeVisible()
  await page.keyboard.press('ArrowRight', KEY_PRESS)
  await expect(page.getByTestId('count')).toHaveText('2 locks')
  await tabTo(page, page.getByRole('grid'))
  await page.keyboard.press('ArrowDown')
  await page.keyboard.press('Enter')
  await expect(page.getByTestId('name')).toHaveText('jobs/2')
  await expect(page.getByTestId('holder')).toBeVisible()

  await tabTo(page, page.getByRole('button', { name: 'Force-release…' }))
  await page.keyboard.press('Enter')
  await expect(page.getByRole('button', { name: 'Cancel' })).toBeFocused()
  await page.keyboard.press('Shift+Tab')
  await expect(page.getByLabel(/Reason/)).toBeFocused()
  await page.keyboard.type('by hand')
  await page.keyboard.press('Enter')
  await expect(page.getByText('No holder.')).toBeVisible()

  await page.keyboard.press('?')
  await expect(page.getByRole('dialog', { name: 'Help' })).toBeVisible()
  await page.keyboard.press('Escape')
  await page.keyboard.press('e')
  await expect(page.getByRole('heading', { name: 'Events' })).toBeVisible()
  await page.keyboard.press('Space')
  await expect(page.getByTestId('live')).toHaveText('Paused')
  // Space on a focused button activates it and does not toggle the pause.
  await tabTo(page, page.getByRole('button', { name: 'granted' }))
  await page.keyboard.press('Space')
  await expect(page).toHaveURL(/kinds=granted/)
  await expect(page.getByTestId('live')).toHaveText('Paused')
  await tabTo(page, page.getByRole('button', { name: 'Export 3' }), 'Shift+Tab')
  const download = page.waitForEvent('download')
  await page.keyboard.press('Enter')
  expect((await download).suggestedFilename()).toBe('events.jsonl')

  await page.keyboard.press('p')
  await tabTo(page, page.getByTestId('client-a').getByRole('button', { name: 'Acquire' }))
  await page.keyboard.press('Enter')
  await expect(page.getByTestId('client-a').getByTestId('phase')).toContainText('holding token')

  await tabTo(page, page.getByRole('button', { name: 'Settings' }), 'Shift+Tab')
  await page.keyboard.press('Enter')
  const shortcuts = page.getByRole('radiogroup', { name: 'Single-key shortcuts' })
  await tabTo(page, shortcuts.getByRole('radio', { name: 'On', exact: true }))
  await page.keyboard.press('ArrowRight', KEY_PRESS)
  await page.keyboard.press('Escape')
  await page.keyboard.press('?')
  await page.keyboard.press('l')
  await expect(page.getByRole('heading', { name: 'Playground' })).toBeVisible()
  await expect(page.getByRole('dialog')).toBeHidden()
})

test('the active row follows its lock when rows are inserted above', async ({ page, server }) => {
  await server.lock('b')
  await server.lock('c')
  await open(page, server, '/locks')
  const grid = page.getByRole('grid')
  await grid.focus()
  await page.keyboard.press('ArrowDown')
  await server.lock('a')
  // Rows are frozen for a few seconds after a key press.
  await expect(page.getByRole('row').nth(1)).toContainText('a', { timeout: 15_000 })
  await expect(grid).toHaveAttribute('aria-activedescendant', 'lock-row-2')
  await page.keyboard.press('Enter')
  await expect(page.getByTestId('name')).toHaveText('c')
})

test('changes are announced in a polite live region', async ({ page, server }) => {
  await open(page, server, '/locks')
  await server.lock('a')
  await server.lock('b')
  await expect(page.locator('[aria-live=polite]')).toHaveText('2 locks', { timeout: 20_000 })
  await open(page, server, '/locks/a')
  await server.wait('a', 'api-8')
  await expect(page.locator('[aria-live=polite]')).toContainText('1 waiting', { timeout: 20_000 })
  await open(page, server, '/events')
  await server.lock('d')
  await expect(page.locator('[aria-live=polite]')).toContainText('latest: granted d', { timeout: 20_000 })
})

for (const [name, path] of VIEWS) {
  test(`${name} fits a 360 px wide screen`, async ({ page, server }) => {
    await populate(server)
    await page.setViewportSize({ width: 360, height: 740 })
    await open(page, server, path)
    const width = await page.evaluate(() => document.documentElement.scrollWidth)
    expect(width).toBeLessThanOrEqual(360)
    await expect(page.getByRole('link', { name: 'Events', exact: true })).toBeVisible()
  })
}

test('names, owners, metadata and reasons are always rendered as text', async ({ page, server }) => {
  const dialogs: string[] = []
  page.on('dialog', (dialog) => {
    dialogs.push(dialog.message())
    void dialog.dismiss()
  })
  const lease = await server.lock(MALICIOUS, { owner: MALICIOUS, metadata: { [MALICIOUS]: MALICIOUS } })
  await server.wait(MALICIOUS, MALICIOUS)
  const playground = `/playground?name=${encodeURIComponent(MALICIOUS)}`
  for (const path of ['/', '/locks', '/events', playground, `/locks/${encodeURIComponent(MALICIOUS)}`]) {
    await open(page, server, path)
    await expect(page.getByText(MALICIOUS).first()).toBeVisible()
    expect(await page.locator('img').count()).toBe(0)
  }
  await page.getByRole('button', { name: 'Force-release…' }).click()
  await expect(page.getByRole('alertdialog')).toContainText(MALICIOUS)
  expect(await page.locator('img').count()).toBe(0)
  await server.call(`/v1/locks/${encodeURIComponent(MALICIOUS)}/force-release`, {
    fencing_token: lease.fencing_token,
    reason: MALICIOUS,
  })
  await open(page, server, `/locks/${encodeURIComponent(MALICIOUS)}`)
  await expect(page.getByTestId('event').filter({ hasText: 'force-released' })).toContainText(
    `“${MALICIOUS}”`,
  )
  expect(await page.locator('img').count()).toBe(0)
  expect(dialogs).toEqual([])
})

test('empty states show how to continue', async ({ page, server }) => {
  await open(page, server, '/locks')
  await expect(page.getByText('No locks held')).toBeVisible()
  await expect(page.getByLabel('curl', { exact: true })).toContainText('/v1/locks/orders%2F42/acquire')
  await server.lock('a')
  await open(page, server, '/locks?prefix=zzz')
  await page.getByRole('button', { name: 'Clear filters' }).click()
  await expect(page.getByTestId('count')).toHaveText('1 lock')
})
