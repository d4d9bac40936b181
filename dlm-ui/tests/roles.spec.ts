// What each role sees and may do.
import AxeBuilder from '@axe-core/playwright'
import type { Page } from '@playwright/test'
import { CLIENT, expect, NOBODY, ON_CALL, openAs, ROOT, test, WATCHER, type SecuredServer } from './secured'

async function populate(server: SecuredServer): Promise<void> {
  await server.lock('orders', { owner: 'root-of-orders' })
  await server.lock('orders/1', { owner: 'api-7' })
  await server.wait('orders/1', 'api-8')
  await server.lock('orders2', { owner: 'other-team' })
  await server.lock('jobs/1', { owner: 'cron' })
}

/** Opens another view of whoever is signed in. */
async function visit(page: Page, server: SecuredServer, path: string): Promise<void> {
  await page.goto(`${server.url}${path}`)
  await expect(page.getByRole('button', { name: /^Signed in as/ })).toBeVisible()
}

const forceRelease = (page: Page) => page.getByRole('button', { name: 'Force-release…' })
const acquire = (page: Page) => page.getByTestId('client-a').getByRole('button', { name: 'Acquire' })

test('observe: sees everything and changes nothing', async ({ page, server }) => {
  await populate(server)
  await openAs(page, server, WATCHER, '/locks')
  await expect(page.getByTestId('count')).toHaveText('4 locks')
  await expect(page.getByTestId('access')).toBeHidden()
  await expect(page.getByRole('link', { name: 'Playground' })).toBeHidden()
  await visit(page, server, '/locks/orders%2F1')
  await expect(page.getByTestId('holder')).toContainText('api-7')
  await expect(page.getByTestId('live')).toHaveText('Live')
  await expect(page.getByText('A force-release requires the role admin')).toBeVisible()
  await expect(forceRelease(page)).toBeHidden()
  await visit(page, server, '/playground?name=orders/1')
  await expect(page.getByText('Acquiring this lock requires the role lock on it.')).toBeVisible()
  await expect(acquire(page)).toBeDisabled()
})

test('lock: uses and sees the locks of its prefix only', async ({ page, server }) => {
  await populate(server)
  await openAs(page, server, CLIENT, '/')
  await expect(page.getByTestId('access')).toHaveText('Limited to the locks you may see: orders/')
  await expect(page.getByTestId('held')).toHaveText('2')
  await page.getByRole('link', { name: 'Locks', exact: true }).click()
  await expect(page.getByTestId('access')).toHaveText('Limited to the locks you may see: orders/')
  await expect(page.getByTestId('count')).toHaveText('2 locks')
  await page.getByRole('link', { name: 'Events', exact: true }).click()
  await expect(page.getByTestId('access')).toBeVisible()
  await expect(page.getByTestId('event')).toHaveCount(3)
  // Live events are limited as well.
  await server.lock('orders2/late')
  await server.lock('orders/late')
  await expect(page.getByTestId('event').first()).toContainText('orders/late')
  await expect(page.getByTestId('event')).toHaveCount(4)

  await visit(page, server, '/locks/orders%2F1')
  await expect(page.getByTestId('holder')).toContainText('api-7')
  await expect(forceRelease(page)).toBeHidden()
  await visit(page, server, '/playground?name=orders/mine')
  await acquire(page).click()
  await expect(page.getByTestId('client-a').getByTestId('phase')).toContainText('holding')
  await page.getByTestId('client-a').getByRole('button', { name: 'Release' }).click()
  await expect(page.getByTestId('client-a').getByTestId('phase')).toContainText('released')
})

for (const name of ['orders2', 'jobs%2F1', 'never-used'])
  test(`lock: a link to ${name}, which it may not see, says so`, async ({ page, server }) => {
    await populate(server)
    await openAs(page, server, CLIENT, `/locks/${name}`)
    await expect(page.getByRole('heading', { name: 'You may not see this lock' })).toBeVisible()
    await expect(page.locator('main')).toContainText(`the role observe on ${decodeURIComponent(name)}.`)
    await expect(page.locator('main')).toContainText('signed in as api, which may see orders/')
    // It looks the same whether or not the lock exists.
    await expect(page.getByText(/other-team|cron|free/)).toBeHidden()
    await visit(page, server, `/events?resource=${name}`)
    await expect(page.getByRole('heading', { name: 'You may not see this lock' })).toBeVisible()
    await visit(page, server, `/playground?name=${name}`)
    await expect(page.getByText(/requires the role lock on it, which you have on orders\//)).toBeVisible()
    await expect(acquire(page)).toBeDisabled()
    // Another token leads there.
    await page.getByRole('button', { name: 'Use another token' }).click()
    await page.getByLabel('Token', { exact: true }).fill(ROOT.token)
    await page.getByRole('button', { name: 'Sign in', exact: true }).click()
    await expect(acquire(page)).toBeEnabled()
  })

test('admin: force-releases below its prefix, and only there', async ({ page, server }) => {
  await populate(server)
  await openAs(page, server, ON_CALL, '/locks/orders2')
  await expect(page.getByTestId('holder')).toContainText('other-team')
  await expect(forceRelease(page)).toBeHidden()
  for (const [path, owner] of [
    ['/locks/orders', 'root-of-orders'],
    ['/locks/orders%2F1', 'api-7'],
  ] as const) {
    await visit(page, server, path)
    await expect(page.getByTestId('holder')).toContainText(owner)
    await expect(page.getByTestId('holder')).toContainText('root')
    await forceRelease(page).click()
    await expect(page.getByRole('alertdialog')).toContainText(/Principal\s*root/)
    await page.getByLabel(/Reason/).fill('host is gone')
    await page.getByRole('button', { name: 'Force-release token 1' }).click()
    // The button was above the events, which hold still under the pointer.
    await page.mouse.move(0, 0)
    await expect(page.getByTestId('event').filter({ hasText: 'by on-call, “host is gone”' })).toBeVisible()
    await expect(page.getByTestId('event').filter({ hasText: 'as root' }).last()).toBeVisible()
  }
})

test('admin: a right that is taken away meanwhile is reported, and the button disappears', async ({
  page,
  server,
}) => {
  await populate(server)
  await openAs(page, server, ON_CALL, '/locks/orders%2F1')
  await forceRelease(page).click()
  await page.getByLabel(/Reason/).fill('host is gone')
  server.write({ ...ON_CALL, rules: [{ role: 'observe', prefix: '' }] })
  const denied = async () => {
    const response = await fetch(`${server.url}/v1/locks/orders/force-release`, {
      method: 'POST',
      headers: { authorization: `Bearer ${ON_CALL.token}`, 'content-type': 'application/json' },
      body: '{"fencing_token": 999, "reason": "a question"}',
    })
    return response.status
  }
  await expect.poll(denied, { timeout: 30_000 }).toBe(403)
  await page.getByRole('button', { name: 'Force-release token 1' }).click()
  await expect(page.getByRole('alertdialog').getByRole('alert')).toContainText(/admin/)
  await page.getByRole('button', { name: 'Cancel' }).click()
  await expect(page.getByTestId('holder')).toContainText('api-7')
  await expect(forceRelease(page)).toBeHidden()
})

test('no rights: every view says so', async ({ page, server }) => {
  await populate(server)
  await openAs(page, server, NOBODY, '/')
  for (const path of ['/', '/locks', '/events']) {
    await visit(page, server, path)
    await expect(page.getByRole('heading', { name: 'You may not see any locks' })).toBeVisible()
    await expect(page.getByText('api-7')).toBeHidden()
  }
  await page.getByRole('button', { name: 'Signed in as nobody' }).click()
  await expect(page.getByText('You may do nothing')).toBeVisible()
})

for (const theme of ['light', 'dark'] as const)
  test(`signing in and denials have no axe violations in the ${theme} theme`, async ({ page, server }) => {
    const violations = async () => {
      const { violations } = await new AxeBuilder({ page }).analyze()
      return violations.flatMap(({ id, nodes }) => nodes.map((node) => `${id}: ${node.html}`))
    }
    await populate(server)
    await page.emulateMedia({ colorScheme: theme, reducedMotion: 'reduce' })
    await page.goto(server.url)
    expect(await violations()).toEqual([])
    await page.getByLabel('Token', { exact: true }).fill('wrong')
    await page.keyboard.press('Enter')
    await expect(page.getByRole('alert')).toBeVisible()
    expect(await violations()).toEqual([])
    const soon = { ...CLIENT, expires: new Date(Date.now() + 250_000) }
    server.write(soon)
    await expect
      .poll(
        async () => {
          await page.getByRole('button', { name: 'Sign in', exact: true }).isVisible()
          const response = await fetch(`${server.url}/v1/whoami`, {
            headers: { authorization: `Bearer ${soon.token}` },
          })
          return ((await response.json()) as { expires_at: string | null }).expires_at
        },
        { timeout: 30_000 },
      )
      .not.toBeNull()
    await openAs(page, server, soon, '/')
    await expect(page.getByTestId('access')).toBeVisible()
    expect(await violations()).toEqual([])
    await page.getByRole('button', { name: /^Signed in as/ }).click()
    await expect(page.getByTestId('expiry')).toBeVisible()
    expect(await violations()).toEqual([])
    await page.getByRole('button', { name: 'Use another token' }).click()
    await expect(page.getByRole('dialog', { name: 'Use another token' })).toBeVisible()
    expect(await violations()).toEqual([])
    for (const path of [
      '/locks',
      '/events',
      '/locks/orders%2F1',
      '/locks/jobs%2F1',
      '/playground?name=jobs/1',
    ]) {
      await visit(page, server, path)
      await expect(page.getByText('Loading…', { exact: true })).toBeHidden()
      expect(await violations()).toEqual([])
    }
  })

test('signing in fits a 360 px wide screen, and so does who one is', async ({ page, server }) => {
  await page.setViewportSize({ width: 360, height: 740 })
  await page.goto(server.url)
  const width = () => page.evaluate(() => document.documentElement.scrollWidth)
  expect(await width()).toBeLessThanOrEqual(360)
  await openAs(page, server, WATCHER, '/')
  await expect(page.getByTestId('live')).toHaveText('Live')
  expect(await width()).toBeLessThanOrEqual(360)
  await page.getByRole('button', { name: 'Signed in as watcher' }).click()
  await expect(page.getByTestId('principal')).toBeVisible()
  expect(await width()).toBeLessThanOrEqual(360)
})
