// Details that an eye catches: facts, columns that stay, and names that are almost right.
import { expect, open, test } from './fixtures'

test('a lock that was never used says so, and leads to one with a similar name', async ({ page, server }) => {
  await server.lock('orders/customer-42', { owner: 'api-7' })
  await server.lock('billing')
  await open(page, server, `/locks/${encodeURIComponent('orders/custmoer-42')}`)
  const note = page.getByTestId('unused')
  await expect(note).toHaveText(/This lock was never used\.\s*Similar names: orders\/customer-42\s*\./)
  await note.getByRole('link').click()
  await expect(page.getByTestId('holder')).toContainText('api-7')
  await expect(note).toBeHidden()
})

test('a lock shows its oldest wait, its median hold and its last expiry', async ({ page, server }) => {
  await server.lock('job', { owner: 'crashed', ttl_ms: 150 })
  await expect.poll(async () => (await server.newestEvents('job')).events.at(-1)?.kind).toBe('expired')
  await server.lock('job', { owner: 'api-7' })
  await open(page, server, '/locks/job')
  await expect(page.getByTestId('oldest-wait')).toHaveText('–')
  await server.wait('job', 'next')
  await expect(page.getByTestId('oldest-wait')).toHaveText(/^\d+(\.\d)? m?s$/)
  await expect(page.getByTestId('median-hold')).toHaveText(/^\d+ ms$/)
  await expect(page.getByTestId('last-expiry')).toHaveText(/ago$/)
})

test('a chart shows the time and the values under the crosshair', async ({ page, server }) => {
  await server.lock('job')
  await open(page, server, '/')
  const chart = page.locator('.chart', { hasText: 'Grants and expirations per second' })
  const legend = chart.locator('.legend')
  await expect(legend).toHaveText(/^UTC\s*grants\s*expirations\s*$/)
  await chart.locator('.u-over').hover()
  await expect(legend).toHaveText(/^\d\d:\d\d:\d\d\s*UTC\s*grants\s*\d+\s*expirations\s*\d+$/)
  await page.getByTestId('held').hover()
  await expect(legend).toHaveText(/^UTC\s*grants\s*expirations\s*$/)
})

test('no content moves a column', async ({ page, server }) => {
  await server.lock('job', { owner: 'a' })
  await server.wait('job', 'b')
  for (const [path, region] of [
    ['/', 'Table of locks with waiters'],
    ['/locks/job', 'Waiters table'],
    ['/events', 'Events table'],
    ['/owners', 'Owners table'],
  ] as const) {
    await open(page, server, path)
    const heads = page.getByRole('region', { name: region }).getByRole('columnheader')
    await expect(heads.first()).toBeVisible()
    const places = () => heads.evaluateAll((all) => all.map((head) => head.getBoundingClientRect().left))
    const before = await places()
    const owner = `an-owner-with-a-name-that-takes-much-more-room${path.length}`
    await server.lock(`a/lock/with/a/much/longer/name/${path.length}`, { owner })
    await server.wait(`a/lock/with/a/much/longer/name/${path.length}`, `${owner}-too`)
    await server.wait('job', `${owner}-three`)
    await expect(page.getByText(new RegExp(owner)).first()).toBeVisible()
    expect(await places(), path).toEqual(before)
  }
})

test('durations of a table end in one line', async ({ page, server }) => {
  await server.lock('job', { owner: 'a' })
  await server.wait('job', 'b')
  for (const path of ['/', '/locks/job', '/owners/a']) {
    await open(page, server, path)
    const cells = page.locator('main td:has(> time.number):not([data-label=Time]):not([data-label=Deadline])')
    await expect(cells.first()).toBeVisible()
    const alignments = await cells.evaluateAll((all) =>
      all
        .filter((cell) => cell.getAttribute('data-label') !== 'Expires')
        .map((cell) => getComputedStyle(cell).textAlign),
    )
    expect(new Set(alignments)).toEqual(new Set(['end']))
  }
})
