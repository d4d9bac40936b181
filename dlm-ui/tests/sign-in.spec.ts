// Signing in and out, and a sign-in or a right that ends at an awkward moment.
import AxeBuilder from '@axe-core/playwright'
import type { Route } from '@playwright/test'
import { expect, open, test } from './fixtures'
import { enter, Gate, openAs, type Principal } from './gate'

const ROOT: Principal = { principal: 'root', rules: [{ role: 'admin', prefix: '' }] }
const CLIENT: Principal = {
  principal: 'api',
  rules: [{ role: 'lock', prefix: 'orders/', max_ttl_ms: 600_000 }],
}
const TOKENS = { 'root-token': ROOT, 'api-token': CLIENT }

const account = (name: string) => ({ name: `Signed in as ${name}` })

test('a server without authentication shows no sign-in', async ({ page, server }) => {
  await open(page, server, '/')
  await expect(page.getByRole('button', { name: /Signed in/ })).toBeHidden()
  await expect(page.getByLabel('Token', { exact: true })).toBeHidden()
})

test('a server that does not know whoami has no authentication', async ({ page, server }) => {
  await page.route('**/v1/whoami', (route) => route.fulfill({ status: 404, json: {} }))
  await server.lock('a')
  await open(page, server, '/locks/a')
  await expect(page.getByRole('button', { name: 'Force-release…' })).toBeVisible()
})

test('a page that can not ask who it is says so and goes on trying', async ({ page, server }) => {
  await page.route('**/v1/whoami', (route) => route.abort())
  await page.goto(`${server.url}/locks`)
  await expect(page.getByRole('alert')).toHaveText('The server is unreachable. Retrying…')
  await page.unroute('**/v1/whoami')
  await page.route('**/v1/whoami', (route) => route.fulfill({ status: 404, json: {} }))
  await expect(page.getByTestId('live')).toHaveText('Live')
})

test('a token opens the page that was asked for, and is kept in memory only', async ({ page, server }) => {
  const gate = await Gate.before(page, TOKENS)
  const seen: string[] = []
  page.on('request', (request) => seen.push(request.url()))
  page.on('websocket', (socket) => seen.push(socket.url()))
  page.on('console', (message) => seen.push(message.text()))
  await server.lock('orders/1', { owner: 'api-7' })
  await page.goto(`${server.url}/locks/orders%2F1`)
  const field = page.getByLabel('Token', { exact: true })
  await expect(field).toBeFocused()
  await expect(field).toHaveAttribute('type', 'password')
  await expect(field).toHaveAttribute('autocomplete', 'off')
  await expect(page).toHaveTitle('Sign in · dlm')
  await expect(page.getByRole('link', { name: 'Locks' })).toBeHidden()
  await enter(page, 'wrong-token')
  await expect(page.getByRole('alert')).toHaveText(/does not accept this token/)
  await enter(page, 'two words')
  await expect(page.getByRole('alert')).toHaveText(/not a token/)
  await enter(page, 'root-token')
  await expect(page.getByTestId('holder')).toContainText('api-7')
  await expect(page.getByTestId('live')).toHaveText('Live')
  await expect(page).toHaveTitle('orders/1 · dlm')
  expect(gate.tickets).toBeGreaterThan(0)
  const kept = () => page.evaluate(() => JSON.stringify([{ ...localStorage }, { ...sessionStorage }]))
  expect([...seen, await kept()].filter((text) => /-token|ticket[.=]/.test(text))).toEqual([])
  await page.reload()
  await expect(field).toBeVisible()
})

test('a token can be pasted, and a connection that is not encrypted is warned of', async ({
  page,
  server,
}) => {
  await Gate.before(page, TOKENS)
  const notes = await page.context().newPage()
  await notes.setContent('<input>')
  // What is copied often brings spaces along.
  await notes.locator('input').fill(' root-token ')
  await notes.keyboard.press('Control+A')
  await notes.keyboard.press('Control+C')
  await notes.close()
  await page.addInitScript(() => Object.defineProperty(window, 'isSecureContext', { value: false }))
  await page.goto(server.url)
  await expect(page.getByText('This connection is not encrypted')).toBeVisible()
  await page.getByLabel('Token', { exact: true }).focus()
  await page.keyboard.press('Control+V')
  await page.keyboard.press('Enter')
  await expect(page.getByRole('button', account('root'))).toBeVisible()
})

test('a sign-out forgets all that was kept and loaded, and gives up a held lock', async ({
  page,
  server,
}) => {
  await Gate.before(page, TOKENS)
  await openAs(page, `${server.url}/playground?name=secret-name`, 'root-token')
  await page.reload()
  await page.getByTestId('client-a').getByRole('button', { name: 'Acquire' }).click()
  await expect(page.getByTestId('client-a').getByTestId('phase')).toContainText('holding')
  await page.getByRole('button', account('root')).click()
  await page.getByRole('button', { name: 'Sign out' }).click()
  await expect(page.getByLabel('Token', { exact: true })).toBeVisible()
  await expect(page).toHaveURL(`${server.url}/`)
  expect(await page.content()).not.toContain('secret-name')
  expect(await page.evaluate(() => JSON.stringify({ ...sessionStorage }))).toBe('{}')
  const held = async () => (await server.call<{ holder_count: number }>('/v1/locks/secret-name')).holder_count
  await expect.poll(held).toBe(0)
  await page.reload()
  await expect(page.getByLabel('Token', { exact: true })).toBeVisible()
})

test('a withdrawn token is asked for again without losing the page', async ({ page, server }) => {
  const gate = await Gate.before(page, TOKENS)
  await Promise.all(Array.from({ length: 80 }, (_, number) => server.lock(`orders/${100 + number}`)))
  await openAs(page, `${server.url}/locks?prefix=orders/&sort=token&desc=1`, 'root-token')
  await expect(page.getByTestId('count')).toHaveText('80 locks')
  const grid = page.getByRole('grid')
  await grid.evaluate((element) => (element.scrollTop = 900))
  gate.principals = { 'rotated-token': ROOT }
  await gate.close(4401)
  const dialog = page.getByRole('dialog', { name: 'Sign in again' })
  await expect(dialog).toBeVisible()
  await page.keyboard.press('Escape')
  await expect(dialog).toBeVisible()
  await enter(page, 'rotated-token')
  await expect(dialog).toBeHidden()
  await expect(page.getByTestId('live')).toHaveText('Live')
  await expect(page).toHaveURL(/prefix=orders\/&sort=token&desc=1/)
  expect(await grid.evaluate((element) => element.scrollTop)).toBe(900)
  await server.lock('orders/new')
  await expect(page.getByTestId('count')).toHaveText('81 locks')
})

test('a force-release that is refused in flight keeps its reason and is sent again', async ({
  page,
  server,
}) => {
  const gate = await Gate.before(page, TOKENS)
  await server.lock('orders/1', { owner: 'dead-host' })
  await openAs(page, `${server.url}/locks/orders%2F1`, 'root-token')
  await page.getByRole('button', { name: 'Force-release…' }).click()
  await page.getByLabel(/Reason/).fill('the host is')
  gate.principals = { 'rotated-token': ROOT, 'last-token': ROOT }
  await gate.close(4401)
  await expect(page.getByRole('dialog', { name: 'Sign in again' })).toBeVisible()
  await enter(page, 'rotated-token')
  await expect(page.getByLabel(/Reason/)).toHaveValue('the host is')
  await page.getByLabel(/Reason/).fill('the host is gone')
  // No earlier request may be refused: the dialog would be in front of the button.
  const refuse = async (route: Route) => {
    gate.principals = { 'last-token': ROOT }
    await route.fallback()
  }
  await page.route('**/force-release', refuse, { times: 1 })
  await page.getByRole('button', { name: 'Force-release token 1' }).click()
  await expect(page.getByRole('dialog', { name: 'Sign in again' })).toBeVisible()
  await enter(page, 'last-token')
  // Rows under the pointer stay.
  await page.mouse.move(0, 0)
  await expect(page.getByText('No holder.')).toBeVisible()
  await expect(page.getByTestId('event').filter({ hasText: 'the host is gone' })).toBeVisible()
})

test('what one may not do is hidden, and a link to what one may not see says so', async ({
  page,
  server,
}) => {
  const gate = await Gate.before(page, TOKENS)
  gate.lacks = (path) => (path.includes('/orders2') ? 'observe' : null)
  await server.lock('orders/1', { owner: 'api-7' })
  await openAs(page, `${server.url}/locks`, 'api-token')
  await expect(page.getByTestId('access')).toHaveText('Limited to the locks you may see: orders/')
  await page.goto(`${server.url}/locks/orders%2F1`)
  await expect(page.getByText('A force-release requires the role admin')).toBeVisible()
  await expect(page.getByRole('button', { name: 'Force-release…' })).toBeHidden()
  await page.goto(`${server.url}/locks/orders2`)
  await expect(page.getByRole('heading', { name: 'You may not see this lock' })).toBeVisible()
  await expect(page.locator('main')).toContainText('the role observe on orders2.')
  await page.goto(`${server.url}/playground?name=orders2`)
  await expect(page.getByTestId('client-a').getByRole('button', { name: 'Acquire' })).toBeDisabled()
})

test('a right that is taken away takes its lock off the page', async ({ page, server }) => {
  const gate = await Gate.before(page, { ...TOKENS })
  await server.lock('jobs/1', { owner: 'cron' })
  await openAs(page, `${server.url}/locks/jobs%2F1`, 'root-token')
  await expect(page.getByTestId('holder')).toContainText('cron')
  await expect(page.getByTestId('live')).toHaveText('Live')
  gate.principals = { 'root-token': { ...ROOT, rules: CLIENT.rules } }
  gate.lacks = (path) => (path.includes('/jobs/') ? 'observe' : null)
  await gate.close(4403)
  await expect(page.getByText('You may not see this lock')).toBeVisible()
  await expect(page.getByText('What you may see and do has changed')).toBeVisible()
  await expect(page.getByTestId('holder')).toBeHidden()
})

for (const theme of ['light', 'dark'] as const)
  test(`signing in and denials have no axe violations in the ${theme} theme`, async ({ page, server }) => {
    const violations = async () => {
      const { violations } = await new AxeBuilder({ page }).analyze()
      return violations.flatMap(({ id, nodes }) => nodes.map((node) => `${id}: ${node.html}`))
    }
    const soon = { ...CLIENT, expires_at: new Date(Date.now() + 250_000).toISOString() }
    const gate = await Gate.before(page, { 'api-token': soon })
    gate.lacks = (path) => (path.includes('/jobs/') ? 'observe' : null)
    await server.lock('orders/1')
    await page.emulateMedia({ colorScheme: theme, reducedMotion: 'reduce' })
    await page.goto(server.url)
    await enter(page, 'wrong-token')
    await expect(page.getByRole('alert')).toBeVisible()
    expect(await violations()).toEqual([])
    await openAs(page, server.url, 'api-token')
    await page.getByRole('button', { name: 'Signed in as api (expires soon)' }).click()
    await expect(page.getByTestId('expiry')).toBeVisible()
    expect(await violations()).toEqual([])
    await page.getByRole('button', { name: 'Use another token' }).click()
    await expect(page.getByRole('dialog', { name: 'Use another token' })).toBeVisible()
    expect(await violations()).toEqual([])
    for (const path of ['/locks', '/locks/orders%2F1', '/locks/jobs%2F1', '/playground?name=jobs/1']) {
      await page.goto(`${server.url}${path}`)
      await expect(page.getByText('Loading…', { exact: true })).toBeHidden()
      expect(await violations()).toEqual([])
    }
  })
