// Names that look the same are shown differently.
import { expect, open, test } from './fixtures'

test('names that look alike can be told apart in the list and on their pages', async ({ page, server }) => {
  const names = ['orders', 'orders ', 'or\u200bders', 'оrders']
  for (const name of names) await server.lock(name)
  await open(page, server, '/locks')
  const links = page.getByRole('grid').locator('.name').getByRole('link')
  await expect(links).toHaveCount(names.length)
  const shown = new Map<string, string>()
  for (const link of await links.all()) {
    const picture = await link.screenshot()
    shown.set(picture.toString('base64'), (await link.textContent()) ?? '')
  }
  // Each looks different, and each is still its exact text.
  expect([...shown.values()].sort()).toEqual([...names].sort())
  await open(page, server, `/locks/${encodeURIComponent('or\u200bders')}`)
  await expect(page.getByTestId('name').locator('[title="U+200B"]')).toHaveCount(1)
})
