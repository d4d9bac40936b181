// What is printed.
import { expect, open, test } from './fixtures'

test('a printed lock has all holders and its whole queue, and nothing to press', async ({ page, server }) => {
  for (let number = 0; number < 12; number += 1) {
    await server.lock('read', { mode: 'shared', owner: `reader-${number}` })
  }
  for (let number = 0; number < 12; number += 1) await server.wait('read', `writer-${number}`)
  await page.emulateMedia({ colorScheme: 'dark' })
  await open(page, server, '/locks/read')
  await expect(page.getByTestId('waiter')).toHaveCount(12)
  await page.emulateMedia({ media: 'print', colorScheme: 'dark' })
  const cut = await page
    .locator('.scroll-x')
    .evaluateAll(
      (regions) => regions.filter(({ scrollHeight, clientHeight }) => scrollHeight > clientHeight + 1).length,
    )
  expect(cut).toBe(0)
  await expect(page.locator('.button:visible')).toHaveCount(0)
  expect(await page.evaluate(() => getComputedStyle(document.body).backgroundColor)).toBe(
    'rgb(246, 247, 248)',
  )
})
