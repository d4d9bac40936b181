// Being told of troubles: in the title, by the icon, and by notifications.
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
  await expect(icon).toHaveAttribute('href', '/icon-trouble.svg')
  expect(
    await page.evaluate(async () => (await fetch('/icon-trouble.svg')).headers.get('content-type')),
  ).toBe('image/svg+xml')
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
