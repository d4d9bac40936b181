// Addresses as people type them.
import { expect, open, test } from './fixtures'

test('a mistyped address shows a page that leads back', async ({ page, server }) => {
  const response = await page.goto(`${server.url}/lokcs/orders`)
  expect(response?.status()).toBe(404)
  await expect(page.getByRole('heading', { name: 'Page not found' })).toBeVisible()
  await page.getByRole('link', { name: 'Go to overview' }).click()
  await expect(page.getByTestId('live')).toHaveText('Live')
})

for (const [typed, name, path] of [
  ['/locks/orders/42', 'orders/42', '/locks/orders%2F42'],
  ['/locks/a%20b/c/d', 'a b/c/d', '/locks/a%20b%2Fc%2Fd'],
  ['/locks/orders%2F42', 'orders/42', '/locks/orders%2F42'],
] as const) {
  test(`${typed} is the address of a lock`, async ({ page, server }) => {
    await server.lock(name, { owner: 'api-7' })
    await open(page, server, typed)
    await expect(page.getByTestId('name')).toHaveText(name)
    await expect(page.getByTestId('holder')).toContainText('api-7')
    expect(new URL(page.url()).pathname).toBe(path)
  })
}
