// Principals: what one holds and waits for, whatever owners it gives.
import { readFileSync } from 'node:fs'
import AxeBuilder from '@axe-core/playwright'
import { CLIENT, expect, openAs, ROOT, test, WATCHER, type SecuredServer } from './secured'

/** Locks and waiters of the client, and of others. */
async function populate(server: SecuredServer): Promise<void> {
  await server.lock('jobs/1', { owner: 'cron' })
  await server.lock('orders/9', { owner: 'deploy' })
  server.token = CLIENT.token
  await server.lock('orders/1', { owner: 'api-1' })
  await server.lock('orders/2', { owner: 'api-2' })
  await server.wait('orders/9', 'api-1')
  server.token = ROOT.token
  await server.wait('orders/1', 'other')
}

test('a principal leads to a page of what it holds, waits for and did, with its owners', async ({
  page,
  server,
}) => {
  await populate(server)
  await openAs(page, server, WATCHER, '/locks/orders%2F1')
  await expect(page.getByTestId('waiter')).toContainText('as root')
  await expect(page.getByTestId('blocked-by')).toContainText('api-1 as api, for ')
  await expect(page.getByTestId('next')).toContainText('other as root (exclusive)')
  await page.getByTestId('holder').getByRole('link', { name: 'api', exact: true }).click()
  await expect(page).toHaveURL(/\/principals\/api$/)
  await expect(page).toHaveTitle('api · dlm')
  for (const [figure, value] of [
    ['owners', '2'],
    ['holds', '2'],
    ['waits', '1'],
    ['blocks', '1'],
  ] as const)
    await expect(page.getByTestId(figure)).toHaveText(value)
  await expect(page.getByTestId('owner')).toHaveCount(2)
  await expect(page.getByTestId('hold').first()).toContainText('orders/1')
  await expect(page.getByTestId('hold').first()).toContainText('api-1')
  await expect(page.getByTestId('wait')).toContainText('deploy')
  await expect(page.getByTestId('event')).toHaveCount(2)
  // What happens next appears by itself.
  server.token = CLIENT.token
  await server.lock('orders/3', { owner: 'api-3' })
  await expect(page.getByTestId('holds')).toHaveText('3')
  await expect(page.getByTestId('event').first()).toContainText('orders/3')

  await page.getByTestId('owner').getByRole('link', { name: 'api-1' }).click()
  await expect(page).toHaveURL(/\/owners\/api-1\?principal=api$/)
  await page.locator('.page-title').getByRole('link', { name: 'api', exact: true }).click()
  await expect(page).toHaveURL(/\/principals\/api$/)
})

test('the owners of one principal are listed, and of all again', async ({ page, server }) => {
  await populate(server)
  await openAs(page, server, WATCHER, '/owners?principal=api')
  await expect(page.getByTestId('owner')).toHaveCount(2)
  await page.getByRole('button', { name: 'All principals' }).click()
  await expect(page.getByTestId('owner')).toHaveCount(5)
  await expect(page).toHaveURL(/\/owners$/)
})

test('the events of a principal are filtered, live and as they were, and exported', async ({
  page,
  server,
}) => {
  await populate(server)
  await openAs(page, server, WATCHER, '/principals/api')
  await page.getByRole('link', { name: 'As events' }).click()
  await expect(page).toHaveURL(/\/events\?principal=api$/)
  const field = page.getByLabel('Principal', { exact: true })
  const rows = page.getByTestId('event')
  await expect(field).toHaveValue('api')
  await expect(rows).toHaveCount(2)

  // Of two grants that arrive, one is of the principal.
  await server.lock('orders/7', { owner: 'api-3' })
  server.token = CLIENT.token
  await server.lock('orders/8', { owner: 'api-3' })
  await expect(rows).toHaveCount(3)
  await expect(rows.first()).toContainText('orders/8')
  const download = page.waitForEvent('download')
  await page.getByRole('button', { name: 'Export 3', exact: true }).click()
  const lines = readFileSync(await (await download).path(), 'utf8')
    .trim()
    .split('\n')
  expect(lines.map((line) => (JSON.parse(line) as { principal: string }).principal)).toEqual(
    Array(3).fill('api'),
  )

  await page.getByRole('button', { name: 'At an earlier instant' }).click()
  await expect(page).toHaveURL(/principal=api&at=20/)
  await expect(rows).toHaveCount(3)
  await field.fill('root')
  await field.press('Enter')
  await expect(rows).toHaveCount(3)
  await expect(rows.first()).toContainText('orders/7')
  await field.fill('nobody')
  await field.press('Enter')
  await page.getByRole('button', { name: 'Clear filters' }).click()
  await expect(rows.first()).toContainText('orders/8')
  await expect(field).toHaveValue('')
})

test('a principal sees on the page of another what it may observe', async ({ page, server }) => {
  await populate(server)
  await openAs(page, server, CLIENT, '/principals/root')
  await expect(page.getByTestId('holds')).toHaveText('1')
  await expect(page.getByTestId('hold')).toContainText('orders/9')
  await expect(page.getByText('jobs/1')).toHaveCount(0)
})

for (const theme of ['light', 'dark'] as const) {
  test(`the page of a principal has no axe violations in the ${theme} theme`, async ({ page, server }) => {
    await populate(server)
    await page.emulateMedia({ colorScheme: theme, reducedMotion: 'reduce' })
    await openAs(page, server, WATCHER, '/principals/api')
    await expect(page.getByTestId('event')).toHaveCount(2)
    const { violations } = await new AxeBuilder({ page }).analyze()
    expect(violations.map(({ id, nodes }) => [id, nodes.map(({ html }) => html)])).toEqual([])
  })
}

test('the page of a principal and a queue with principals fit a 360 px wide screen', async ({
  page,
  server,
}) => {
  await populate(server)
  await page.setViewportSize({ width: 360, height: 740 })
  await openAs(page, server, WATCHER, '/principals/api')
  await expect(page.getByTestId('wait')).toHaveCount(1)
  const width = () => page.evaluate(() => document.documentElement.scrollWidth)
  expect(await width()).toBeLessThanOrEqual(360)
  await page.goto(`${server.url}/locks/orders%2F1`)
  await expect(page.getByTestId('waiter')).toContainText('as root')
  expect(await width()).toBeLessThanOrEqual(360)
})
