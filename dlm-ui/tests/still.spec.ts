// Nothing moves under the pointer.
import { expect, open, test } from './fixtures'

test('a click opens the force-release of the holder that was under the pointer', async ({ page, server }) => {
  const shared = { mode: 'shared' }
  const first = await server.lock('job', { ...shared, owner: 'first' })
  await server.lock('job', { ...shared, owner: 'second' })
  await server.lock('job', { ...shared, owner: 'third' })
  await open(page, server, '/locks/job')
  const target = page.getByTestId('holder').nth(1).getByRole('button', { name: 'Force-release…' })
  await target.hover()
  await server.release(first)
  await expect(page.getByTestId('holder').nth(0)).toContainText('ended')
  await expect(page.getByTestId('held-back')).toHaveText('Rows held still: 1 gone')
  await page.mouse.down()
  await page.mouse.up()
  await expect(page.getByRole('alertdialog')).toContainText('second')
  await page.keyboard.press('Escape')
  await page.mouse.move(5, 5)
  await expect(page.getByTestId('holder')).toHaveCount(2, { timeout: 10_000 })
})

test('a resting pointer holds the rows for longer than a moment', async ({ page, server }) => {
  const first = await server.lock('b')
  await server.lock('c')
  await open(page, server, '/locks')
  const rows = page.getByRole('grid').getByRole('row')
  await rows.nth(2).hover()
  await page.waitForTimeout(6_000)
  await server.lock('a')
  await server.release(first)
  await expect(page.getByTestId('held-back')).toHaveText('Rows held still: 1 new, 1 gone')
  await expect(rows.nth(2)).toContainText('c')
  await page.mouse.move(5, 5)
  await expect(rows.nth(1)).toContainText('a')
  await expect(page.getByTestId('held-back')).toBeHidden()
})

test('a hot lock stays in the list of held locks', async ({ page, server }) => {
  await server.lock('zz')
  server.spawn('dlm-load', 'handoff', '--workers', '16', '--seconds', '60')
  await open(page, server, '/locks')
  const grid = page.getByRole('grid')
  await expect(grid.getByRole('row')).toHaveCount(3)
  const frames = await page.evaluate(async () => {
    const counts: number[] = []
    const end = performance.now() + 4_000
    while (performance.now() < end) {
      await new Promise(requestAnimationFrame)
      counts.push(document.querySelectorAll('[role=grid] [role=row]').length)
    }
    return counts
  })
  expect(frames.length).toBeGreaterThan(20)
  expect(frames.filter((rows) => rows !== 3)).toEqual([])
})

test('the notice of a lost connection moves nothing', async ({ page, server }) => {
  await server.lock('job', { owner: 'first' })
  await open(page, server, '/locks/job')
  const button = page.getByRole('button', { name: 'Force-release…' })
  const before = await button.boundingBox()
  await server.kill()
  await expect(page.getByText('Connection lost')).toBeInViewport()
  expect(await button.boundingBox()).toEqual(before)
})

test('what is below the holder and the queue of a lock keeps its place', async ({ page, server }) => {
  const first = await server.lock('job', { owner: 'first' })
  await open(page, server, '/locks/job')
  const place = async () => {
    const below = page.getByRole('heading', { name: 'Use this lock' })
    return (await below.boundingBox())?.y
  }
  const before = await place()
  await server.release(first)
  await expect(page.getByText('No holder.')).toBeVisible()
  expect(await place()).toBe(before)
  await server.lock('job', { owner: 'second' })
  for (let number = 0; number < 12; number += 1) await server.wait('job', `waiter-${number}`)
  await expect(page.getByTestId('waiter')).toHaveCount(12)
  expect(await place()).toBe(before)
})

for (const width of [1360, 360]) {
  test(`what is below the holders keeps its place with each further shared one at ${width} px`, async ({
    page,
    server,
  }) => {
    await page.setViewportSize({ width, height: 740 })
    await server.lock('read', { mode: 'shared', owner: 'reader-1' })
    await open(page, server, '/locks/read')
    const place = async () => (await page.getByRole('heading', { name: 'Queue' }).boundingBox())?.y
    await expect(page.getByTestId('holder')).toHaveCount(1)
    const before = await place()
    for (let number = 2; number <= 5; number += 1) {
      await server.lock('read', { mode: 'shared', owner: `reader-${number}` })
      await expect(page.getByTestId('holder')).toHaveCount(number)
      expect(await place(), `with ${number} holders`).toBe(before)
    }
  })
}

test('the first use of a lock moves nothing', async ({ page, server }) => {
  await open(page, server, '/locks/job')
  await expect(page.getByTestId('unused')).toBeVisible()
  const place = async () => (await page.getByRole('heading', { name: /^Holders?$/ }).boundingBox())?.y
  const before = await place()
  await server.lock('job', { owner: 'first' })
  await expect(page.getByTestId('holder')).toHaveCount(1)
  await expect(page.getByTestId('unused')).toBeHidden()
  expect(await place()).toBe(before)
})

test('the queue is in sight below many holders, of which the list shows the number', async ({
  page,
  server,
}) => {
  const owner = 'reader-with-a-name-that-does-not-fit-its-column'
  for (let number = 0; number < 40; number += 1) await server.lock('read', { mode: 'shared', owner })
  await open(page, server, '/locks')
  const more = page.getByText('+39')
  await expect(more).toBeVisible()
  const [outer, inner] = [
    await page.locator('[role=gridcell].holder').boundingBox(),
    await more.boundingBox(),
  ]
  expect((inner?.x ?? 0) + (inner?.width ?? 0)).toBeLessThanOrEqual((outer?.x ?? 0) + (outer?.width ?? 0) + 1)
  await open(page, server, '/locks/read')
  await expect(page.getByTestId('holder')).toHaveCount(40)
  await expect(page.getByRole('heading', { name: 'Queue' })).toBeInViewport()
})
