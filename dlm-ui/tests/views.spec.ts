// Each view shows the current state, and changes within 300 ms of their event.
import { expect, expectSoon, open, test } from './fixtures'

test('the overview shows statistics, alerts and the most contended locks', async ({ page, server }) => {
  await server.lock('orders/1', { owner: 'api-1' })
  await server.wait('orders/1', 'api-2')
  await server.wait('orders/1', 'api-3')
  await server.lock('orders/2', { owner: 'crashed', ttl_ms: 100 })
  await open(page, server, '/')
  await expect(page.getByTestId('held')).toHaveText('1')
  await expect(page.getByTestId('waiting')).toHaveText('2')
  const alerts = page.getByRole('region', { name: 'Needs attention' })
  await expect(alerts).toContainText('orders/2')
  await expect(alerts).toContainText('the lease of crashed expired')
  const contended = page.getByRole('region', { name: 'Contended locks' })
  await expect(contended.getByRole('row').nth(1)).toContainText(/orders\/1\s*2.*api-1/)

  await expectSoon(page, server, (number) => ({
    selector: '[data-testid=held]',
    text: new RegExp(`^${1 + number}$`),
    trigger: () => server.lock(`more/${number}`),
    resource: `more/${number}`,
    kind: 'granted',
  }))
})

test('a long wait raises an alert', async ({ page, server }) => {
  test.setTimeout(90_000)
  // Sooner than the server calls it a trouble.
  await page.addInitScript(() => localStorage.setItem('dlm.trouble-wait', '30s'))
  await server.lock('slow', { owner: 'stuck', ttl_ms: 120_000 })
  await server.wait('slow', 'patient')
  await open(page, server, '/')
  const alerts = page.getByRole('region', { name: 'Needs attention' })
  await expect(alerts).toContainText(/stuck\s+blocks\s+1\s+on\s+slow, oldest 3\d s/, { timeout: 45_000 })
})

test('the overview shows who waits for whom, and a possible deadlock', async ({ page, server }) => {
  await server.lock('schema', { owner: 'migration' })
  await server.lock('orders', { owner: 'importer' })
  await open(page, server, '/')
  const chains = page.getByRole('region', { name: 'Who waits for whom' })
  await server.wait('orders', 'worker')
  await expect(page.getByTestId('waiting')).toHaveText('1')
  await expect(chains).toHaveCount(0)
  await server.wait('schema', 'importer')
  await expect(chains).toContainText(
    /importer, holding\s+orders\s+\(blocks 1\), waits for migration, holding\s+schema\s+– 2\s+wait behind it, oldest \d/,
  )
  await server.wait('orders', 'migration')
  // Two wait for orders, one for schema, and all three go on once one of them is free.
  await expect(chains).toContainText(/Possible deadlock: .*orders\s+\(frees 2 directly, 3 in all\)/)
  await expect(chains).toContainText(/schema\s+\(frees 1 directly, 3 in all\)[\s\S]*– oldest wait/)
  await chains.getByRole('link', { name: 'schema' }).click()
  await expect(page).toHaveURL(/locks\/schema/)
})

test('the lock list follows events', async ({ page, server }) => {
  const first = await server.lock('a/1', { owner: 'api-1' })
  await open(page, server, '/locks')
  const grid = page.getByRole('grid', { name: 'Locks' })
  await expect(grid).toContainText('a/1')
  await expect(grid).toContainText('api-1')

  const leases = [first]
  await expectSoon(page, server, (number) => ({
    selector: '[role=grid] .name',
    text: new RegExp(`^b/${number}$`),
    trigger: async () => leases.push(await server.lock(`b/${number}`, { owner: 'api-2' })),
    resource: `b/${number}`,
    kind: 'granted',
  }))
  await server.lock('c', { owner: 'api-3' })
  await expectSoon(page, server, (number) => ({
    selector: '[role=grid] .waiters',
    text: new RegExp(`^${number}$`),
    trigger: () => server.wait('c', `api-${number}`),
    resource: 'c',
    kind: 'queued',
  }))
  await expect(grid).toContainText('contended')

  for (const lease of leases) await server.release(lease)
  await expect(page.getByTestId('count')).toHaveText('1 lock')
})

test('the prefix, state and sort order of the list are kept in the URL', async ({ page, server }) => {
  for (const name of ['a/1', 'a/2', 'b/1']) await server.lock(name)
  await server.wait('a/2', 'api-3')
  await open(page, server, '/locks')
  await page.getByLabel('Name prefix').fill('a/')
  await expect(page).toHaveURL(/prefix=a/)
  await expect(page.getByTestId('count')).toHaveText('2 locks')
  await page.getByRole('button', { name: 'Waiters' }).click()
  await expect(page.getByRole('row').nth(1)).toContainText('a/2')
  await page.getByRole('button', { name: 'Waiters' }).click()
  await expect(page.getByRole('row').nth(1)).toContainText('a/1')
  await page.getByRole('radio', { name: 'With waiters' }).click()
  await expect(page.getByTestId('count')).toHaveText('1 lock')
  await page.reload()
  await expect(page.getByTestId('count')).toHaveText('1 lock')
  await expect(page.getByLabel('Name prefix')).toHaveValue('a/')
  await expect(page.getByRole('radio', { name: 'With waiters' })).toBeChecked()
})

test('rows keep their places while the pointer is over them', async ({ page, server }) => {
  await server.lock('b')
  const released = await server.lock('c')
  await open(page, server, '/locks')
  const rows = page.getByRole('grid').getByRole('row')
  await expect(rows).toHaveCount(3)
  await rows.nth(1).hover()
  await server.lock('a')
  await server.release(released)
  await expect(rows.nth(2)).toContainText('free')
  await expect(rows.nth(1)).toContainText('b')
  await page.mouse.move(5, 5)
  await expect(rows.nth(1)).toContainText('a')
  await expect(rows).toHaveCount(3)
})

test('a lock shows its holder, its queue in order, and its events', async ({ page, server }) => {
  await server.lock('orders/42', { owner: 'api-7', metadata: { job: 'nightly' } })
  for (const owner of ['first', 'second', 'third', 'fourth']) await server.wait('orders/42', owner)
  await open(page, server, '/locks/orders%2F42')
  await expect(page.getByTestId('name')).toHaveText('orders/42')
  await expect(page.getByTestId('holder')).toContainText('api-7')
  await expect(page.getByTestId('holder')).toContainText('job=nightly')
  await expect(page.getByTestId('waiter')).toHaveText([/^1first/, /^2second/, /^3third/, /^4fourth/])
  await expect(page.getByTestId('event').first()).toContainText('queued')
  await expect(page.getByLabel('Rust', { exact: true })).toContainText('client.lock("orders/42")')

  const queue = ['first', 'second', 'third', 'fourth']
  await expectSoon(page, server, async () => {
    const { current_token } = await server.call<{ current_token: number }>('/v1/locks/orders%2F42')
    return {
      selector: '[data-testid=holder]',
      text: new RegExp(`^${queue.shift()}`),
      trigger: () =>
        server.call('/v1/locks/orders%2F42/force-release', {
          fencing_token: current_token,
          reason: 'the next one',
        }),
      resource: 'orders/42',
      kind: 'granted',
    }
  })
  await expect(page.getByTestId('waiter')).toHaveText(
    queue.map((owner, index) => new RegExp(`^${index + 1}${owner}`)),
  )
  await expect(page.getByTestId('token')).toHaveText(String(1 + 2 * (4 - queue.length)))
})

test('the timeline has a bar for each lease and shows how it ended', async ({ page, server }) => {
  await server.release(await server.lock('t', { owner: 'one' }))
  await server.lock('t', { owner: 'two', ttl_ms: 150 })
  await server.lock('t', { owner: 'three', wait_ms: 5_000 })
  await open(page, server, '/locks/t?span=1m')
  const timeline = page.getByRole('region', { name: 'Holders over time' }).getByRole('listitem')
  await expect(timeline.filter({ hasText: 'token 1: one' })).toContainText('released')
  await expect(timeline.filter({ hasText: 'token 2: two' })).toContainText('expired')
  await expect(timeline.filter({ hasText: 'token 4: three' })).toContainText('current holder')
  await expect(page.locator('.bar')).toHaveCount(3)
})

test('paused events are counted and shown without a gap on resume', async ({ page, server }) => {
  await server.release(await server.lock('e/0'))
  await open(page, server, '/events')
  const rows = page.getByTestId('event')
  await expect(rows).toHaveCount(2)

  let before = 2
  await expectSoon(page, server, (number) => ({
    selector: '[data-testid=event]',
    text: new RegExp(`soon/${number}`),
    trigger: async () => {
      await server.lock(`soon/${number}`)
      before += 1
    },
    resource: `soon/${number}`,
    kind: 'granted',
  }))

  await page.getByRole('button', { name: 'Pause' }).click()
  await expect(page.getByTestId('live')).toHaveText('Paused')
  for (let number = 2; number < 39; number += 1) await server.lock(`e/${number}`)
  await expect(page.getByTestId('paused')).toHaveText('Paused · 37 new')
  await expect(rows).toHaveCount(before)
  await page.getByRole('button', { name: 'Resume' }).click()
  await expect(rows).toHaveCount(before + 37)
  await expect(rows.first()).toContainText('e/38')
  await expect(page.getByTestId('live')).toHaveText('Live')
})

test('a long pause resumes from the cursor', async ({ page, server }) => {
  test.setTimeout(180_000)
  await page.goto(`${server.url}/events?prefix=e&paused=1`)
  await expect(page.getByTestId('live')).toHaveText('Paused')
  const load = server.spawn('dlm-load', 'cycle', '--workers', '8', '--seconds', '2', '--warm-up', '0')
  await new Promise((resolve) => load.once('exit', resolve))
  for (let number = 0; number < 700; number += 1) await server.release(await server.lock('e'))
  await expect(page.getByTestId('paused')).toHaveText('Paused · 1,400 new', { timeout: 30_000 })
  await page.getByRole('button', { name: 'Resume' }).click()
  const rows = page.getByTestId('event')
  await expect(rows.first().locator('td').nth(5)).toHaveText('700', { timeout: 30_000 })
  await expect(rows).toHaveCount(500)
  const tokens = await rows.evaluateAll((all) => all.map((row) => row.children[5]?.textContent))
  expect(tokens.slice(0, 4)).toEqual(['700', '700', '699', '699'])
  expect(new Set(tokens).size).toBe(250)
})

test('rare events are found far back in the log, and older ones loaded', async ({ page, server }) => {
  await server.lock('crash/1', { owner: 'one', ttl_ms: 100 })
  await server.lock('crash/2', { owner: 'two', ttl_ms: 100 })
  await expect.poll(async () => (await server.newestEvents('crash/2')).events.length).toBe(2)
  for (let number = 0; number < 600; number += 1) await server.release(await server.lock('busy'))
  await open(page, server, '/events?kinds=expired')
  const rows = page.getByTestId('event')
  await expect(rows).toHaveCount(2)
  await expect(page.getByTestId('searched')).toHaveText('The log was searched to its start.')
  await page.getByLabel('Owner').fill('two')
  await page.keyboard.press('Enter')
  await expect(rows).toHaveCount(1)
  await expect(rows).toContainText('crash/2')
  await expect(page).toHaveURL(/owner=two/)

  await open(page, server, '/events?prefix=busy')
  await expect(rows).toHaveCount(200)
  await expect(page.getByTestId('searched')).toContainText('searched back to')
  for (const shown of [400, 600]) {
    await page.getByRole('button', { name: 'Load older' }).click()
    await expect(rows).toHaveCount(shown)
  }
  const tokens = await rows.evaluateAll((all) => all.map((row) => Number(row.children[5]?.textContent)))
  expect(tokens[0]).toBe(600)
  expect(tokens.at(-1)).toBe(301)
  expect(new Set(tokens).size).toBe(300)
})

test('events are filtered by time, and the link has the instants', async ({ page, server }) => {
  await server.lock('before')
  const { events } = await server.newestEvents('before')
  // The fields have whole seconds.
  const seconds = events.map(({ at }) => Math.ceil(Date.parse(at) / 1000) + 1)
  const second = new Date(Math.max(...seconds) * 1000).toISOString().slice(0, 19)
  await expect.poll(() => Date.now()).toBeGreaterThan(Math.max(...seconds) * 1000)
  await server.lock('after')
  await open(page, server, '/events')
  const rows = page.getByTestId('event')
  await expect(rows).toHaveCount(2)
  await page.getByLabel('From').fill(second)
  await page.keyboard.press('Tab')
  await expect(rows).toHaveCount(1)
  await expect(rows).toContainText('after')
  await expect(page).toHaveURL(new RegExp(`from=${encodeURIComponent(second).replaceAll('%3A', '(%3A|:)')}`))

  await open(page, server, `/events?to=${second}Z`)
  await expect(rows).toHaveCount(1)
  await expect(rows).toContainText('before')
  // A field leaves out the seconds of a whole minute.
  const to = page.getByLabel('to', { exact: true })
  await expect.poll(async () => Date.parse(`${await to.inputValue()}Z`)).toBe(Date.parse(`${second}Z`))
  await server.lock('later')
  await to.fill('')
  await page.keyboard.press('Tab')
  await expect(rows).toHaveCount(3)
})

test('events are filtered by kind and name, and exported as JSON Lines', async ({ page, server }) => {
  await server.release(await server.lock('a'))
  await server.lock('b')
  await open(page, server, '/events')
  await page.getByRole('button', { name: 'granted' }).click()
  await expect(page.getByTestId('event')).toHaveCount(2)
  await page.getByLabel('Lock name prefix').fill('a')
  await expect(page.getByTestId('event')).toHaveCount(1)
  await expect(page).toHaveURL(/kinds=granted/)
  const download = page.waitForEvent('download')
  await page.getByRole('button', { name: 'Export 1' }).click()
  const stream = await (await download).createReadStream()
  const text = (await stream.toArray()).join('')
  expect(JSON.parse(text)).toMatchObject({ kind: 'granted', resource: 'a', fencing_token: 1 })
})
