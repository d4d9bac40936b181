// Actions: force-release and the playground.
import { expect, open, test } from './fixtures'

test('a force-release ends the selected lease and records the reason', async ({ page, server }) => {
  await server.lock('job', { owner: 'dead-host', metadata: { pid: '7' } })
  await server.wait('job', 'next-in-line')
  await open(page, server, '/locks/job')
  await page.getByRole('button', { name: 'Force-release…' }).click()
  const dialog = page.getByRole('alertdialog')
  await expect(dialog.getByRole('button', { name: 'Cancel' })).toBeFocused()
  await expect(dialog).toContainText('dead-host')
  await expect(dialog).toContainText('The holder’s process keeps running')
  await expect(dialog).toContainText('next-in-line')
  const confirm = dialog.getByRole('button', { name: 'Force-release token 1' })
  await expect(confirm).toBeDisabled()
  await dialog.getByLabel(/Reason/).fill('host is gone')
  await confirm.click()
  await expect(dialog).toBeHidden()
  await expect(page.getByTestId('holder')).toContainText('next-in-line')
  await expect(page.getByTestId('token')).toHaveText('3')
  // The button was over the events, which hold still under the pointer.
  await page.mouse.move(0, 0)
  await expect(page.getByTestId('event').filter({ hasText: 'force-released' })).toContainText('host is gone')
})

test('a force-release says beforehand whether the token of the holder is checked', async ({
  page,
  server,
}) => {
  const lease = await server.lock('job')
  await open(page, server, '/locks/job')
  await page.getByRole('button', { name: 'Force-release…' }).click()
  const checks = page.getByRole('alertdialog').getByTestId('checks')
  await expect(checks).toContainText('none known to this server')
  await server.call('/v1/locks/job/check', { fencing_token: lease.fencing_token })
  await expect(checks).toContainText(/last checked .* ago/)
})

test('a force-release does nothing if the holder has changed', async ({ page, server }) => {
  const first = await server.lock('job', { owner: 'first' })
  await open(page, server, '/locks/job')
  await page.getByRole('button', { name: 'Force-release…' }).click()
  const dialog = page.getByRole('alertdialog')
  await dialog.getByLabel(/Reason/).fill('it hangs')
  await server.release(first)
  await server.lock('job', { owner: 'second' })
  await expect(page.getByTestId('changed')).toContainText('Nothing was released')
  await expect(page.getByTestId('changed')).toContainText('held by second with token 2')
  await expect(dialog.getByRole('button', { name: /Force-release/ })).toBeHidden()
  await dialog.getByRole('button', { name: 'Close' }).click()
  await expect(page.getByTestId('holder')).toContainText('second')
  const { holders } = await server.call<{ holders: { fencing_token: number }[] }>('/v1/locks/job')
  expect(holders.map((holder) => holder.fencing_token)).toEqual([2])
})

test('the server rejects a force-release if the holder changed unnoticed', async ({ page, server }) => {
  const first = await server.lock('job', { owner: 'first' })
  await open(page, server, '/locks/job')
  await page.getByRole('button', { name: 'Force-release…' }).click()
  const dialog = page.getByRole('alertdialog')
  await dialog.getByLabel(/Reason/).fill('it hangs')
  // The holder changes while the request is in flight.
  await page.route('**/v1/locks/job/force-release', async (route) => {
    await server.release(first)
    await server.lock('job', { owner: 'second' })
    await route.continue()
  })
  await dialog.getByRole('button', { name: 'Force-release token 1' }).click()
  await expect(page.getByTestId('changed')).toContainText('Nothing was released')
  const { holders } = await server.call<{ holders: { owner: string }[] }>('/v1/locks/job')
  expect(holders.map((holder) => holder.owner)).toEqual(['second'])
})

test('a force-release without an answer says that it may have happened, and is repeated safely', async ({
  page,
  server,
}) => {
  await server.lock('job', { owner: 'first' })
  await server.wait('job', 'second')
  await open(page, server, '/locks/job')
  await page.getByRole('button', { name: 'Force-release…' }).click()
  const dialog = page.getByRole('alertdialog')
  await dialog.getByLabel(/Reason/).fill('it hangs')
  // The server handles the request, and its answer is lost.
  await page.route(
    '**/v1/locks/job/force-release',
    async (route) => {
      await route.fetch()
      await route.abort()
    },
    { times: 1 },
  )
  await dialog.getByRole('button', { name: 'Force-release token 1' }).click()
  await expect(page.getByTestId('failure')).toContainText('token 1 may or may not have been released')
  await expect(page.getByTestId('failure')).toContainText('Repeating is safe')
  await expect(page.getByTestId('failure')).toContainText('has ended by now')
  await expect(page.getByTestId('changed')).toBeHidden()
  await dialog.getByRole('button', { name: 'Repeat force-release of token 1' }).click()
  await expect(dialog).toBeHidden()
  const { holders } = await server.call<{ holders: { owner: string }[] }>('/v1/locks/job')
  expect(holders.map((holder) => holder.owner)).toEqual(['second'])
})

test('two playground clients compete for one lock', async ({ page, server }) => {
  await open(page, server, '/playground?name=play')
  const [a, b] = [page.getByTestId('client-a'), page.getByTestId('client-b')]
  await a.getByRole('button', { name: 'Acquire' }).click()
  await expect(a.getByTestId('phase')).toContainText('holding token 1')
  await b.getByRole('button', { name: 'Acquire' }).click()
  await expect(b.getByTestId('phase')).toContainText('waiting')
  await a.getByRole('button', { name: 'Release' }).click()
  await expect(b.getByTestId('phase')).toContainText('holding token 2')
  await expect(a.getByTestId('phase')).toContainText('token 1 released')
  await expect(page.getByTestId('token')).toHaveText('2')
  await expect(page.getByTestId('event').filter({ hasText: 'granted' })).toHaveCount(2)
})

test('a playground lease is renewed, returned again for its key, and expires', async ({ page, server }) => {
  await open(page, server, '/playground?name=play&a-ttl=8000')
  const a = page.getByTestId('client-a')
  const responses = a.getByRole('listitem')
  await a.getByRole('button', { name: 'Acquire' }).click()
  await a.getByRole('button', { name: 'Renew' }).click()
  await expect(responses.first()).toContainText('TTL 8000 ms')
  await a.getByRole('button', { name: 'Repeat acquire' }).click()
  await expect(responses.first()).toContainText('token 1, same lease')
  await expect(a.getByTestId('phase')).toContainText('token 1 expired', { timeout: 20_000 })
  await a.getByRole('button', { name: 'Repeat acquire' }).click()
  await expect(responses.first()).toContainText('409 lease-ended')
  await a.getByRole('button', { name: 'New', exact: true }).click()
  await a.getByRole('button', { name: /cquire/ }).click()
  await expect(a.getByTestId('phase')).toContainText('holding token 3')
})

test('switching the playground to another lock releases the held one', async ({ page, server }) => {
  await open(page, server, '/playground?name=play')
  const a = page.getByTestId('client-a')
  await a.getByRole('button', { name: 'Acquire' }).click()
  await expect(a.getByTestId('phase')).toContainText('holding token')
  await expect(page).toHaveURL(/a-key=play-/)
  await page.getByLabel('Lock', { exact: true }).fill('other')
  await page.getByLabel('Lock', { exact: true }).press('Enter')
  await expect(a.getByTestId('phase')).toContainText('no lease')
  const state = async () => (await server.call<{ state: string }>('/v1/locks/play')).state
  await expect.poll(state).toBe('free')
})

test('a playground waiter leaves the queue on cancel', async ({ page, server }) => {
  await server.lock('play', { owner: 'elsewhere' })
  await open(page, server, '/playground?name=play')
  const a = page.getByTestId('client-a')
  await a.getByRole('button', { name: 'Acquire' }).click()
  await expect(a.getByTestId('phase')).toContainText('waiting')
  await a.getByRole('button', { name: 'Cancel' }).click()
  await expect(a.getByTestId('phase')).toContainText('no lease')
  await expect(page.getByTestId('event').first()).toContainText('cancelled')
})

test('after a wait that timed out, the playground says why and acquires with a new key', async ({
  page,
  server,
}) => {
  const lease = await server.lock('play', { owner: 'elsewhere' })
  await open(page, server, '/playground?name=play&a-wait=500&b-wait=0')
  const a = page.getByTestId('client-a')
  await a.getByRole('button', { name: 'Acquire' }).click()
  await expect(a.getByTestId('spent')).toContainText('The wait timed out')
  await server.release(lease)
  await a.getByRole('button', { name: 'Acquire with a new key' }).click()
  await expect(a.getByTestId('phase')).toContainText('holding token 2')
  await expect(a.getByTestId('spent')).toBeHidden()
})
