// Being told of troubles: in the title, by the icon, by notifications, and on the overview.
import type { Page } from '@playwright/test'
import { expect, open, test } from './fixtures'
import type { TestServer } from './server'

async function deadlock(server: TestServer): Promise<void> {
  await server.lock('a', { owner: 'one' })
  await server.lock('b', { owner: 'two' })
  await server.wait('a', 'two')
  await server.wait('b', 'one')
}

test('the title and the icon count troubles on every page', async ({ page, server }) => {
  await open(page, server, '/events')
  await expect(page).toHaveTitle('Events · dlm')
  await deadlock(server)
  await page.reload()
  await expect(page).toHaveTitle('(1) Events · dlm')
  const icon = page.locator('link[rel="icon"]')
  await expect(icon).toHaveAttribute('href', '/icon-trouble-1.svg')
  const icons = [...'123456789'].map((digit) => `-${digit}`)
  for (const number of ['', ...icons, '-9plus']) {
    const response = await fetch(`${server.url}/icon-trouble${number}.svg`)
    expect([response.status, response.headers.get('content-type')]).toEqual([200, 'image/svg+xml'])
  }
  // The page may load it.
  const loads = await icon.evaluate(async (link: HTMLLinkElement) => {
    const image = new Image()
    image.src = link.href
    await image.decode()
    return image.naturalWidth > 0
  })
  expect(loads).toBe(true)
})

/** The lines of the overview that the title counts. */
const lines = (page: Page) => page.locator('li.deadlock, li.chain, li.blocked, li.mass-expiration')

test('the overview has a line for each trouble that the title counts, by the thresholds of the server', async ({
  page,
  server,
}) => {
  await server.kill()
  await server.restart('--trouble-wait', '2s', '--trouble-hold', '3s')
  await deadlock(server)
  // A chain of two locks.
  await server.lock('schema', { owner: 'migration' })
  await server.lock('orders', { owner: 'importer' })
  await server.wait('orders', 'worker')
  await server.wait('schema', 'importer')
  await server.lock('alone', { owner: 'nobody waits' })
  // And a lock that is in no chain.
  await server.lock('db/main', { owner: 'deploy' })
  await server.wait('db/main', 'patient')
  await open(page, server, '/')
  await expect(page).toHaveTitle('(3) Overview · dlm')
  await expect(lines(page)).toHaveCount(3)
  const alerts = page.getByRole('region', { name: 'Needs attention' })
  await expect(alerts).toContainText(/deploy\s+blocks\s+1\s+on\s+db\/main, oldest .*, held for/)
  await expect(alerts).not.toContainText(/schema|orders/)
  // A threshold of the settings is in force in both at once.
  await page.getByRole('button', { name: 'Settings' }).click()
  await page
    .getByRole('radiogroup', { name: 'A wait is a trouble after' })
    .getByRole('radio', { name: '15 min' })
    .click()
  await page
    .getByRole('radiogroup', { name: 'A hold that others wait for, after' })
    .getByRole('radio', { name: 'Off' })
    .click()
  await expect(page).toHaveTitle('(1) Overview · dlm')
  // A chain is shown from its beginning.
  await expect(lines(page)).toHaveCount(2)
  await expect(page.locator('li.chain')).toHaveCount(1)
})

test('a lock that is held for long is on the overview, and in the title', async ({ page, server }) => {
  await server.kill()
  await server.restart('--trouble-wait', '10m', '--trouble-hold', '3s')
  await server.lock('db/main', { owner: 'deploy' })
  await server.wait('db/main', 'patient')
  await open(page, server, '/')
  const alerts = page.getByRole('region', { name: 'Needs attention' })
  await expect(alerts).toContainText(/db\/main held\s+for\s+\d.* s\s+by\s+deploy\s+while others wait/)
  await expect(page).toHaveTitle('(1) Overview · dlm')
  await expect(lines(page)).toHaveCount(1)
})

test('notifications are asked for in the settings, and tell of a trouble when it begins', async ({
  page,
  server,
}) => {
  await page.addInitScript(() => {
    const shown: string[] = []
    class Told {
      static permission = 'default'
      static requestPermission = async () => (Told.permission = 'granted')
      onclick: (() => void) | null = null
      constructor(_title: string, { body }: { body: string }) {
        shown.push(body)
      }
      close = () => undefined
    }
    Object.assign(window, { Notification: Told, shown })
  })
  await open(page, server, '/locks')
  await page.getByRole('button', { name: 'Settings' }).click()
  await page
    .getByRole('radiogroup', { name: 'Browser notifications of troubles' })
    .getByRole('radio', { name: 'On' })
    .click()
  await page.keyboard.press('Escape')
  await deadlock(server)
  const told = () => page.evaluate(() => (window as unknown as { shown: string[] }).shown)
  await expect.poll(told, { timeout: 60_000 }).toEqual(['Possible deadlock of one, two'])
  await expect(page).toHaveTitle('(1) Locks · dlm')
})
