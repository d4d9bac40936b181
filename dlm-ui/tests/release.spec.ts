// Force-releases: what they lead to, a changed holder, and several at once.
import AxeBuilder from '@axe-core/playwright'
import { expect, open, test } from './fixtures'

test('after a force-release the page says who got the lock', async ({ page, server }) => {
  await server.lock('job', { owner: 'dead-host' })
  for (const owner of ['next-in-line', 'last']) await server.wait('job', owner)
  await open(page, server, '/locks/job')
  await page.getByRole('button', { name: 'Force-release…' }).click()
  const dialog = page.getByRole('alertdialog')
  await expect(dialog.getByTestId('drain')).toContainText('2 waiting')
  await dialog.getByLabel(/Reason/).fill('host is gone')
  await dialog.getByRole('button', { name: 'Force-release token 1' }).click()
  const outcome = page.getByTestId('released')
  await expect(outcome).toContainText('Token 1 of dead-host was force-released')
  await expect(outcome).toContainText(/next-in-line got the lock .*, with token 3; 1 still waiting/)
  await outcome.getByRole('button', { name: 'Dismiss' }).click()
  await expect(outcome).toBeHidden()
})

test('the new holder is reviewed with the same reason, and released only when confirmed', async ({
  page,
  server,
}) => {
  const first = await server.lock('job', { owner: 'first' })
  await open(page, server, '/locks/job')
  await page.getByRole('button', { name: 'Force-release…' }).click()
  const dialog = page.getByRole('alertdialog')
  await dialog.getByLabel(/Reason/).fill('it hangs')
  await server.release(first)
  await server.lock('job', { owner: 'second' })
  await dialog.getByRole('button', { name: 'Review new holder' }).click()
  await expect(dialog).toContainText('second')
  await expect(dialog.getByLabel(/Reason/)).toHaveValue('it hangs')
  const holders = async () =>
    (await server.call<{ holders: { owner: string }[] }>('/v1/locks/job')).holders.map(({ owner }) => owner)
  expect(await holders()).toEqual(['second'])
  await dialog.getByRole('button', { name: 'Force-release token 2' }).click()
  await expect.poll(holders).toEqual([])
})

test('several leases of an owner are released after a dry run, but not one that changed meanwhile', async ({
  page,
  server,
}) => {
  const leases = []
  for (const name of ['jobs/1', 'jobs/2', 'jobs/3', 'jobs/4'])
    leases.push(await server.lock(name, { owner: 'dead' }))
  await server.lock('jobs/5', { owner: 'alive' })
  await page.goto(`${server.url}/release?owner=dead`)
  const rows = page.getByTestId('target')
  await expect(rows).toHaveCount(4)
  await page.getByLabel('Token 1 of jobs/4').uncheck()
  await expect(page.getByTestId('plan')).toContainText('3 of 4 leases are chosen')
  const [, second] = leases
  if (!second) throw new Error('no second lease')
  await server.release(second)
  await server.lock('jobs/2', { owner: 'successor' })
  await page.getByLabel(/Reason/).fill('host is gone')
  await page.getByRole('button', { name: 'Force-release 3' }).click()
  await expect(page.getByTestId('result')).toContainText('2 released, 1 had ended before')
  await expect(page.getByTestId('outcome')).toHaveText(['released', /nothing released/, 'released', '–'])
  const { locks } = await server.call<{ locks: { resource: string; holders: { owner: string }[] }[] }>(
    '/v1/locks',
  )
  expect(locks.map(({ resource, holders }) => [resource, holders[0]?.owner])).toEqual([
    ['jobs/2', 'successor'],
    ['jobs/4', 'dead'],
    ['jobs/5', 'alive'],
  ])
})

test('locks selected in the list by keys and with Shift are released, and no others', async ({
  page,
  server,
}) => {
  for (const name of ['a', 'b', 'c', 'd', 'e']) await server.lock(name, { owner: `owner-of-${name}` })
  await open(page, server, '/locks')
  const rows = page.getByRole('grid').getByRole('row')
  await expect(rows).toHaveCount(6)
  await page.keyboard.press('j')
  await page.keyboard.press('j')
  await page.keyboard.press('x')
  const bar = page.getByRole('group', { name: 'Selected locks' })
  await expect(bar).toContainText('1 lock selected')
  await rows
    .nth(4)
    .locator('.name')
    .click({ modifiers: ['Shift'] })
  await expect(bar).toContainText('3 locks selected')
  await rows.nth(3).getByTestId('select').click()
  await expect(bar).toContainText('2 locks selected')
  // Another order moves the rows, not the selection.
  await page.getByRole('button', { name: 'Name' }).click()
  await expect(rows.nth(1)).toContainText('owner-of-e')
  await expect(rows.nth(2).getByRole('checkbox')).toBeChecked()
  await expect(rows.nth(3).getByRole('checkbox')).not.toBeChecked()
  await bar.getByRole('button', { name: 'Force-release…' }).click()
  const targets = page.getByTestId('target')
  await expect(targets).toHaveCount(2)
  await page.reload()
  await expect(page.getByTestId('selection')).toHaveText('2 locks selected in the list')
  await expect(targets).toHaveCount(2)
  await page.getByLabel(/Reason/).fill('host is gone')
  await page.getByRole('button', { name: 'Force-release 2' }).click()
  await expect(page.getByTestId('result')).toContainText('2 released')
  const { locks } = await server.call<{ locks: { resource: string }[] }>('/v1/locks')
  expect(locks.map(({ resource }) => resource)).toEqual(['a', 'c', 'e'])
})

test('an address without its selection releases nothing', async ({ page, server }) => {
  await server.lock('a', { owner: 'alive' })
  await page.goto(`${server.url}/release?selected=1`)
  await expect(page.getByText('The selection is not part of the address.')).toBeVisible()
  await expect(page.getByTestId('target')).toHaveCount(0)
})

for (const width of [360, 1360]) {
  test(`the columns of a list with a selection are aligned, and axe is content, at ${width} px`, async ({
    page,
    server,
  }) => {
    for (const name of ['a', 'b']) await server.lock(name, { owner: 'api-7' })
    await page.setViewportSize({ width, height: 740 })
    await page.emulateMedia({ reducedMotion: 'reduce' })
    await open(page, server, '/locks')
    await page.keyboard.press('x')
    await expect(page.getByTestId('selected')).toHaveText('1 lock selected')
    const lefts = await page
      .getByRole('grid')
      .getByRole('row')
      .evaluateAll((rows) =>
        rows.map((row) =>
          // In two lines the width of the last column depends on what it has.
          [...row.querySelectorAll(':scope > :is(.selected, .state, .name, .holder, .token)')].map((cell) =>
            Math.round(cell.getBoundingClientRect().left),
          ),
        ),
      )
    expect(lefts[0]).toHaveLength(width === 360 ? 4 : 5)
    expect(lefts[1]).toEqual(lefts[0])
    expect(lefts[2]).toEqual(lefts[0])
    const { violations } = await new AxeBuilder({ page }).analyze()
    expect(violations.map(({ id, nodes }) => [id, nodes.map(({ html }) => html)])).toEqual([])
  })
}

test('a release without an answer is repeated safely', async ({ page, server }) => {
  await server.lock('jobs/1', { owner: 'dead' })
  await page.goto(`${server.url}/release?prefix=jobs`)
  await page.getByLabel(/Reason/).fill('host is gone')
  await page.route(
    '**/force-release',
    async (route) => {
      await route.fetch()
      await route.abort()
    },
    { times: 1 },
  )
  await page.getByRole('button', { name: 'Force-release 1' }).click()
  await expect(page.getByTestId('outcome')).toContainText('repeat to find out')
  await page.getByRole('button', { name: 'Repeat for 1' }).click()
  await expect(page.getByTestId('outcome')).toHaveText('released')
})

for (const theme of ['light', 'dark'] as const) {
  test(`releasing several leases has no axe violations in the ${theme} theme`, async ({ page, server }) => {
    await server.lock('jobs/1', { owner: 'dead' })
    await page.emulateMedia({ colorScheme: theme, reducedMotion: 'reduce' })
    await page.goto(`${server.url}/release?prefix=jobs`)
    await expect(page.getByTestId('target')).toHaveCount(1)
    const { violations } = await new AxeBuilder({ page }).analyze()
    expect(violations.map(({ id, nodes }) => [id, nodes.map(({ html }) => html)])).toEqual([])
  })
}
