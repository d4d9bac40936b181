// Programs that use the client compete for a lock, and each view shows the new holder within 300 ms of the event.
import type { ChildProcess } from 'node:child_process'
import { expect, expectSoon, open, test } from './fixtures'
import type { TestServer } from './server'

const LOCK = 'jobs/leader'

interface Status {
  holders: { owner: string }[]
  waiters: { owner: string }[]
}

/** Starts a leader election candidate and waits until it holds the lock or is queued. */
async function join(server: TestServer, name: string): Promise<ChildProcess> {
  const child = server.spawn('leader', '--name', name, '--lock', LOCK, '--ttl-ms', '60000')
  const participants = async () => {
    const { holders, waiters } = await server.call<Status>(`/v1/locks/${encodeURIComponent(LOCK)}`)
    return [...holders, ...waiters].map(({ owner }) => owner)
  }
  await expect.poll(participants, { timeout: 20_000, intervals: [50] }).toContain(name)
  return child
}

for (const [path, selector, pattern] of [
  ['/', '[aria-label="Table of locks with waiters"] tr', (name: string) => `${LOCK}.*${name}`],
  ['/locks', '[role=grid] [role=row]', (name: string) => `${LOCK}.*${name}`],
  ['/locks/jobs%2Fleader', '[data-testid=holder]', (name: string) => `^${name}`],
  ['/events', '[data-testid=event]', (name: string) => `granted.*${name}`],
  ['/playground?name=jobs%2Fleader', '[data-testid=event]', (name: string) => `granted.*${name}`],
] as const) {
  test(`a new leader is shown soon after the previous one stops, at ${path}`, async ({ page, server }) => {
    const names = ['worker-1', 'worker-2', 'worker-3', 'worker-4', 'worker-5']
    const workers: ChildProcess[] = []
    for (const name of names) workers.push(await join(server, name))
    await open(page, server, path)
    await expect(page.getByText('worker-1').first()).toBeVisible()
    await expectSoon(page, server, (number) => ({
      selector,
      text: new RegExp(pattern(names[number] ?? '')),
      trigger: async () => workers[number - 1]?.kill('SIGINT'),
      resource: LOCK,
      kind: 'granted',
    }))
  })
}

test('the playground waits behind a program and holds the lock soon after it stops', async ({
  page,
  server,
}) => {
  await open(page, server, '/playground?name=jobs%2Fleader&a-wait=60000')
  const a = page.getByTestId('client-a')
  await expectSoon(page, server, async (number) => {
    const worker = await join(server, `worker-${number}`)
    if (number > 1) {
      await a.getByRole('button', { name: 'Release' }).click()
      await a.getByRole('button', { name: 'New', exact: true }).click()
    }
    await a.getByRole('button', { name: /cquire/ }).click()
    await expect(a.getByTestId('phase')).toContainText('waiting')
    return {
      selector: '[data-testid=client-a] [data-testid=phase]',
      text: /holding token/,
      trigger: async () => worker.kill('SIGINT'),
      resource: LOCK,
      kind: 'granted',
    }
  })
})
