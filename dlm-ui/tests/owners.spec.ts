// Owners: who holds what, waits for what, and blocks whom.
import AxeBuilder from '@axe-core/playwright'
import { expect, open, test } from './fixtures'

test('the owners that block most come first, and lead to what they hold and wait for', async ({
  page,
  server,
}) => {
  await server.lock('orders/1', { owner: 'deploy' })
  await server.lock('orders/2', { owner: 'api-1' })
  await server.wait('orders/1', 'api-1')
  await server.wait('orders/1', 'api-2')
  await open(page, server, '/owners')
  const owners = page.getByTestId('owner')
  await expect(owners).toHaveCount(3)
  await expect(owners.first()).toContainText('deploy')
  await owners.first().getByRole('link', { name: 'deploy' }).click()
  await expect(page).toHaveURL(/\/owners\/deploy$/)
  await expect(page).toHaveTitle('deploy · dlm')
  await expect(page.getByTestId('holds')).toHaveText('1')
  await expect(page.getByTestId('blocks')).toHaveText('2')
  await expect(page.getByTestId('hold')).toContainText('orders/1')
  await expect(page.getByTestId('event').filter({ hasText: 'granted' })).toHaveCount(1)

  await page.goto(`${server.url}/owners/api-1`)
  await expect(page.getByTestId('wait')).toContainText('orders/1')
  await expect(page.getByTestId('wait')).toContainText('deploy')
  await page.getByTestId('wait').getByRole('link', { name: 'orders/1' }).click()
  await expect(page.getByTestId('turn')).toContainText('position 1')
})

test('the list of owners is filtered by a part of the name', async ({ page, server }) => {
  await server.lock('a', { owner: 'api-1' })
  await server.lock('b', { owner: 'deploy' })
  await open(page, server, '/owners')
  await expect(page.getByTestId('owner')).toHaveCount(2)
  await page.getByLabel('Part of a name').fill('plo')
  await expect(page.getByTestId('owner')).toHaveCount(1)
  await expect(page.getByTestId('owner')).toContainText('deploy')
  await page.getByLabel('Part of a name').fill('none')
  await page.getByRole('button', { name: 'Clear filter' }).click()
  await expect(page.getByTestId('owner')).toHaveCount(2)
})

test('an owner on the page of a lock leads to the owner, also one without a name', async ({
  page,
  server,
}) => {
  const strange = 'a/b?c#<b>%2F'
  await server.lock('named', { owner: strange })
  await server.lock('unnamed', { owner: '' })
  await open(page, server, '/locks/named')
  await page.getByTestId('holder').getByRole('link', { name: strange }).click()
  await expect(page.getByTestId('name')).toHaveText(strange)
  await expect(page.getByTestId('hold')).toContainText('named')
  await page.reload()
  await expect(page.getByTestId('hold')).toContainText('named')
  await open(page, server, '/locks/unnamed')
  await page.getByTestId('holder').getByRole('link', { name: 'no owner' }).click()
  await expect(page.getByTestId('hold')).toContainText('unnamed')
})

test('a lock says who blocks it, for how long compared with past holds, and who is next', async ({
  page,
  server,
}) => {
  for (let round = 0; round < 3; round += 1)
    await server.release(await server.lock('job', { owner: 'quick' }))
  await server.lock('job', { owner: 'slow' })
  await server.wait('job', 'patient')
  await open(page, server, '/locks/job')
  await expect(page.getByTestId('blocked-by')).toContainText('slow')
  await expect(page.getByTestId('usual')).toContainText('of 3 holds')
  await expect(page.getByTestId('next')).toContainText('patient (exclusive)')
  await expect(page.getByTestId('remark')).toContainText('× the usual')
})

test('the list shows how long each lock is usually held, and is ordered by it', async ({ page, server }) => {
  const held = await server.lock('usual', { owner: 'slow' })
  await new Promise((resolve) => setTimeout(resolve, 2_000))
  await server.release(held)
  await server.release(await server.lock('stuck', { owner: 'quick' }))
  for (const name of ['usual', 'stuck', 'new']) await server.lock(name, { owner: 'now' })
  await open(page, server, '/locks?sort=usual')
  const rows = page.getByRole('grid').getByRole('row')
  await expect(rows.nth(1)).toContainText('stuck')
  await expect(rows.nth(1).locator('.usual strong')).toHaveText(/×$/)
  await expect(rows.nth(3)).toContainText('new')
  await expect(rows.nth(3).locator('.usual')).toHaveText('–')
})

for (const theme of ['light', 'dark'] as const) {
  test(`the pages of owners have no axe violations in the ${theme} theme`, async ({ page, server }) => {
    await server.lock('orders/1', { owner: 'api-7' })
    await server.wait('orders/1', 'api-8')
    await server.lock('unnamed', { owner: '' })
    await page.emulateMedia({ colorScheme: theme, reducedMotion: 'reduce' })
    for (const path of ['/owners', '/owners/api-7', '/owners/api-8', '/owners/', '/owners?contains=none']) {
      await open(page, server, path)
      const { violations } = await new AxeBuilder({ page }).analyze()
      expect(violations.map(({ id, nodes }) => [path, id, nodes.map(({ html }) => html)])).toEqual([])
    }
  })
}

test('the pages of owners and the explanation fit a 360 px wide screen', async ({ page, server }) => {
  await server.lock('a/very/long/name/of/a/lock/that/does/not/fit/on/a/line', {
    owner: 'an-owner-with-a-name-that-is-far-too-long-for-a-narrow-screen@host.example.org',
  })
  await page.setViewportSize({ width: 360, height: 740 })
  const paths = [
    '/owners',
    '/locks/a%2Fvery%2Flong%2Fname%2Fof%2Fa%2Flock%2Fthat%2Fdoes%2Fnot%2Ffit%2Fon%2Fa%2Fline',
  ]
  for (const path of paths) {
    await open(page, server, path)
    await page
      .getByRole('link', { name: /an-owner/ })
      .first()
      .waitFor()
    expect(await page.evaluate(() => document.documentElement.scrollWidth)).toBeLessThanOrEqual(360)
  }
})
