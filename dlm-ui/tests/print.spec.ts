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

test('printed holders are a table without a column for buttons', async ({ page, server }) => {
  await server.lock('read', { mode: 'shared', owner: 'reader-1', metadata: { host: 'worker-3.internal' } })
  await open(page, server, '/locks/read')
  const row = page.getByTestId('holder')
  await expect(row.getByRole('button', { name: 'Force-release…' })).toBeVisible()
  await page.emulateMedia({ media: 'print' })
  // A4 with the usual margins.
  await page.setViewportSize({ width: 718, height: 1_000 })
  expect(await row.evaluate((element) => getComputedStyle(element).display)).toBe('table-row')
  const table = page.getByRole('region', { name: 'Holders table' }).getByRole('table')
  await expect(table.locator('th:visible')).toHaveText([
    'Owner',
    'Mode',
    'Token',
    'Held for',
    'Time left',
    'TTL',
    'Metadata',
  ])
  const [sheet, box] = [await page.locator('main').boundingBox(), await table.boundingBox()]
  expect(box?.width ?? 999).toBeLessThanOrEqual(sheet?.width ?? 0)
})

test('a printed overview has all lines', async ({ page, server }) => {
  for (let number = 1; number <= 7; number += 1) {
    await server.lock(`root/${number}`, { owner: `a-${number}` })
    await server.lock(`leaf/${number}`, { owner: `b-${number}` })
    await server.wait(`root/${number}`, `b-${number}`)
    await server.wait(`leaf/${number}`, 'c')
  }
  await open(page, server, '/')
  await expect(page.getByRole('button', { name: 'Show 2 more' })).toBeVisible()
  const chains = page.getByRole('region', { name: 'Who waits for whom' }).locator('[data-row]')
  await expect(chains).toHaveCount(5)
  await page.emulateMedia({ media: 'print' })
  await expect(chains).toHaveCount(7)
})

test('a printed list has the rows that a window has no room for, and a sheet keeps its tables', async ({
  page,
  server,
}) => {
  for (let number = 100; number < 180; number += 1) await server.lock(`job/${number}`)
  await server.wait('job/100', 'next')
  await open(page, server, '/locks')
  await expect(page.getByTestId('count')).toHaveText('80 locks')
  await page.getByRole('grid').evaluate((element) => (element.scrollTop = 1_000))
  await page.emulateMedia({ media: 'print' })
  // A4 with the usual margins.
  await page.setViewportSize({ width: 718, height: 1_000 })
  const rows = page.getByRole('grid').getByRole('row')
  await expect(rows).toHaveCount(81)
  const grid = await page.getByRole('grid').boundingBox()
  for (const index of [1, 80]) {
    const row = await rows.nth(index).boundingBox()
    expect(row?.y ?? 0).toBeGreaterThan(grid?.y ?? 0)
    expect((row?.y ?? 0) + (row?.height ?? 0)).toBeLessThanOrEqual((grid?.y ?? 0) + (grid?.height ?? 0) + 1)
  }
  await expect(page.getByRole('radio', { name: 'All', exact: true })).toBeHidden()
  await page.emulateMedia({ media: 'screen' })
  await open(page, server, '/')
  await page.emulateMedia({ media: 'print' })
  const row = page.getByRole('region', { name: 'Contended locks' }).getByRole('row').nth(1)
  expect(await row.evaluate((element) => getComputedStyle(element).display)).toBe('table-row')
})
