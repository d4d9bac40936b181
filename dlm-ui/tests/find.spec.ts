// Finding anything: the palette, filters, groups, columns, saved views and keys.
import AxeBuilder from '@axe-core/playwright'
import type { Page } from '@playwright/test'
import { expect, open, test } from './fixtures'

const palette = (page: Page) => page.getByRole('dialog', { name: 'Find anything' })

test('the palette finds a lock by a part of its name, by its token, and a command', async ({
  page,
  server,
}) => {
  await server.lock('billing/invoices', { owner: 'api-7' })
  await server.lock('jobs/nightly', { owner: 'cron' })
  await open(page, server, '/events')
  await page.keyboard.press('Control+k')
  const field = palette(page).getByRole('combobox')
  await expect(field).toBeFocused()
  await field.fill('NIGHT')
  await expect(palette(page).getByTestId('choice').first()).toContainText('jobs/nightly')
  await page.keyboard.press('Enter')
  await expect(page).toHaveURL(/\/locks\/jobs%2Fnightly$/)

  await page.keyboard.press('Control+k')
  await field.fill('1')
  await expect(palette(page).getByTestId('choice').filter({ hasText: 'token 1' })).toHaveCount(2)
  await field.fill('theme: dark')
  await page.keyboard.press('Enter')
  await expect(palette(page)).toBeHidden()
  await expect(page.locator('html')).toHaveAttribute('data-theme', 'dark')
})

test('the palette searches all names, and says so while it does', async ({ page, server }) => {
  for (let index = 0; index < 3; index += 1) await server.release(await server.lock(`free/${index}/needle`))
  // A server with so many names that a request reaches only some of them.
  let release = () => {}
  const held = new Promise<void>((resolve) => (release = resolve))
  await page.route('**/v1/locks?contains=*', async (route) => {
    const url = new URL(route.request().url())
    if (url.searchParams.has('after')) await held
    url.searchParams.set('limit', '1')
    await route.continue({ url: url.href })
  })
  await open(page, server, '/events')
  await page.keyboard.press('Control+k')
  await palette(page).getByRole('combobox').fill('NEEDLE')
  await expect(palette(page).getByTestId('choice')).toHaveText([/free\/0\/needle/])
  await expect(palette(page).getByRole('status')).toHaveText('Still searching names…')
  release()
  await expect(palette(page).getByTestId('choice')).toHaveCount(3)
  await expect(palette(page).getByRole('status')).toContainText('Enter to open')
})

test('the palette does not cover a dialog that asks something', async ({ page, server }) => {
  await server.lock('job')
  await open(page, server, '/locks/job')
  await page.getByRole('button', { name: 'Force-release…' }).click()
  await page.keyboard.press('Control+k')
  await expect(page.getByRole('alertdialog')).toBeVisible()
  await expect(palette(page)).toBeHidden()
})

test('the list is filtered by owner and mode, and the link has the filters', async ({ page, server }) => {
  await server.lock('a', { owner: 'api-7' })
  await server.lock('b', { owner: 'batch' })
  await server.lock('c', { owner: 'api-8', mode: 'shared' })
  await open(page, server, '/locks')
  await expect(page.getByTestId('count')).toHaveText('3 locks')
  await page.keyboard.press('f')
  await page.getByLabel('Part of a holder’s owner').fill('API')
  await expect(page.getByTestId('count')).toHaveText('2 of 3 locks')
  await page.getByRole('radio', { name: 'Shared' }).click()
  await expect(page.getByTestId('count')).toHaveText('1 of 3 locks')
  await expect(page).toHaveURL(/mode=shared/)
  await page.reload()
  await expect(page.getByTestId('count')).toHaveText('1 of 3 locks')
  await page.getByRole('button', { name: 'Filter · 2' }).click()
  await page.getByRole('radio', { name: '10 min' }).click()
  await expect(page.getByText('No locks match this filter')).toBeVisible()
})

test('names are grouped by segment, and a group leads into it', async ({ page, server }) => {
  for (const name of ['jobs/a/1', 'jobs/a/2', 'jobs/b', 'leader']) await server.lock(name)
  await server.wait('jobs/b', 'api-8')
  await open(page, server, '/locks')
  await page.getByRole('button', { name: 'View' }).click()
  await page.getByLabel('Group by name segment').check()
  await page.keyboard.press('Escape')
  const groups = page.getByTestId('group')
  await expect(groups).toHaveCount(2)
  await expect(groups.first()).toContainText(/jobs\/\s*3\s*3\s*1/)
  await groups.first().getByRole('button').click()
  await expect(groups).toHaveText([/jobs\/b/, /jobs\/a\//])
  await groups.first().getByRole('link').click()
  await expect(page).toHaveURL(/\/locks\/jobs%2Fb$/)
})

test('columns are chosen and views saved, and both outlast a reload', async ({ page, server }) => {
  await server.lock('jobs/1')
  await open(page, server, '/locks?prefix=jobs')
  await page.getByRole('button', { name: 'View' }).click()
  await page.getByLabel('Token').uncheck()
  await page.getByLabel('Name of the view').fill('Jobs')
  await page.getByRole('button', { name: 'Save' }).click()
  await expect(page.getByRole('columnheader', { name: 'Token', includeHidden: true })).toHaveCount(0)
  await open(page, server, '/events')
  await page.keyboard.press('Control+k')
  await palette(page).getByRole('combobox').fill('view: jobs')
  await page.keyboard.press('Enter')
  await expect(page).toHaveURL(/prefix=jobs/)
  await expect(page.getByTestId('count')).toHaveText('1 lock')
  await expect(page.getByRole('columnheader', { name: 'Mode' })).toBeVisible()
  await expect(page.getByRole('columnheader', { name: 'Token' })).toHaveCount(0)
})

test('j, k, Enter and y work on the list', async ({ page, server }) => {
  await page.context().grantPermissions(['clipboard-read', 'clipboard-write'])
  for (const name of ['a', 'b', 'c']) await server.lock(name)
  await open(page, server, '/locks')
  await expect(page.getByTestId('count')).toHaveText('3 locks')
  for (const key of ['j', 'j', 'j', 'k']) await page.keyboard.press(key)
  await page.keyboard.press('y')
  await expect(page.getByTestId('toast')).toHaveText('Copied')
  expect(await page.evaluate(() => navigator.clipboard.readText())).toBe('b')
  await page.keyboard.press('Enter')
  await expect(page).toHaveURL(/\/locks\/b$/)
})

for (const theme of ['light', 'dark'] as const) {
  test(`palette, filters, views and groups have no axe violations in the ${theme} theme`, async ({
    page,
    server,
  }) => {
    await server.lock('jobs/1', { owner: 'api-7' })
    await page.emulateMedia({ colorScheme: theme, reducedMotion: 'reduce' })
    const violations = async () => {
      const { violations } = await new AxeBuilder({ page }).analyze()
      return violations.flatMap(({ id, nodes }) => nodes.map(({ html }) => `${id}: ${html}`))
    }
    await open(page, server, '/locks?group=1')
    await expect(page.getByTestId('group')).toHaveCount(1)
    expect(await violations()).toEqual([])
    await page.keyboard.press('Control+k')
    await palette(page).getByRole('combobox').fill('jobs')
    await expect(palette(page).getByTestId('choice').first()).toContainText('jobs/1')
    expect(await violations()).toEqual([])
    await page.keyboard.press('Escape')
    for (const menu of ['Filter', 'View']) {
      await page.getByRole('button', { name: menu }).click()
      await expect(page.getByRole('dialog')).toBeVisible()
      expect(await violations()).toEqual([])
      await page.keyboard.press('Escape')
    }
  })
}
