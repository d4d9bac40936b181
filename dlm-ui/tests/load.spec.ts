// The page's share of a processor, and its longest task, with a lock that real workers hand over all the time. In
// script/test-full: a machine that is much slower than usual needs more processor time for the same work.
import { bestOf, expect, open, test } from './fixtures'
import type { TestServer } from './server'
import { longestTask, processorShare } from './tasks'

const MEASURED_MS = 6_000
/** Of one processor. */
const HOT_SHARE = 0.25
const IDLE_SHARE = 0.01
/** A browser lays out and paints a long table whenever a text in it changes, which is once a second. */
const CROWDED_SHARE = 0.03
const LONGEST_TASK_MS = 50
/** What a page does once when it opens. */
const SETTLE_MS = 3_000

for (const view of ['/', '/locks', 'lock', '/events']) {
  test(
    `${view} takes a quarter of a processor at most with a hot lock`,
    { tag: '@measure' },
    async ({ browser, page, server }) => {
      server.spawn('dlm-load', 'handoff', '--workers', '16', '--seconds', '600')
      const hot = async () =>
        (await server.call<{ locks: { resource: string }[] }>('/v1/locks?state=all')).locks[0]?.resource
      await expect.poll(hot).toBeTruthy()
      const path = view === 'lock' ? `/locks/${encodeURIComponent((await hot()) ?? '')}` : view
      await open(page, server, path)
      await page.waitForTimeout(SETTLE_MS)
      const share = await bestOf(HOT_SHARE, () => processorShare(page, MEASURED_MS))
      const longest = await bestOf(LONGEST_TASK_MS, () =>
        longestTask(browser, page, () => page.waitForTimeout(MEASURED_MS)),
      )
      test
        .info()
        .annotations.push({ type: 'measured', description: `${share} of a processor, ${longest} ms` })
      expect(share).toBeLessThan(HOT_SHARE)
      expect(longest).toBeLessThan(LONGEST_TASK_MS)
    },
  )
}

/** A page on which nothing happens, and what is there. */
const IDLE: { path: string; crowd?: (server: TestServer) => Promise<void> }[] = [
  { path: '/' },
  { path: '/locks/quiet' },
  { path: '/locks', crowd: (server) => lockMany(server, 'job') },
  { path: '/owners', crowd: (server) => lockMany(server, 'job') },
  { path: '/events', crowd: (server) => lockMany(server, 'job') },
  { path: '/locks/read', crowd: (server) => lockMany(server, null) },
  { path: '/locks/queued', crowd: queueMany },
]
const CROWD = 120

/** Each under a name of its own, or all of them shared under one. */
async function lockMany(server: TestServer, prefix: string | null): Promise<void> {
  for (let number = 0; number < CROWD; number += 1) {
    const lease = { owner: `worker-${number}`, ttl_ms: 3_600_000 }
    await (prefix === null
      ? server.lock('read', { ...lease, mode: 'shared' })
      : server.lock(`${prefix}/${number}`, lease))
  }
}

async function queueMany(server: TestServer): Promise<void> {
  await server.lock('queued', { owner: 'holder', ttl_ms: 3_600_000 })
  for (let number = 0; number < CROWD; number += 1) await server.wait('queued', `waiter-${number}`)
}

for (const { path, crowd } of IDLE) {
  test(
    `${path} takes ${crowd ? 'little' : 'next to nothing'} of a processor while nothing happens`,
    { tag: '@measure' },
    async ({ page, server }) => {
      if (crowd) await crowd(server)
      else await server.lock('quiet', { owner: 'api-7', ttl_ms: 3_600_000 })
      if (path === '/locks/quiet') await server.wait('quiet', 'api-8')
      await open(page, server, path)
      await page.waitForTimeout(SETTLE_MS)
      const limit = crowd ? CROWDED_SHARE : IDLE_SHARE
      const share = await bestOf(limit, () => processorShare(page, MEASURED_MS))
      test.info().annotations.push({ type: 'measured', description: `${share} of a processor` })
      expect(share, `${share} of a processor`).toBeLessThan(limit)
    },
  )
}

for (const path of ['/', '/locks', '/events']) {
  test(
    `a burst of 5,000 locks is no long task at ${path}`,
    { tag: '@measure' },
    async ({ browser, page, server }) => {
      await open(page, server, path)
      const held = async () => (await server.call<{ held: number }>('/v1/overview?seconds=0')).held
      const longest = await longestTask(browser, page, async () => {
        server.spawn('dlm-load', 'hold', '--workers', '5000', '--ttl-ms', '600000', '--seconds', '600')
        await expect.poll(held, { timeout: 120_000 }).toBe(5_000)
        await page.waitForTimeout(2_000)
      })
      test.info().annotations.push({ type: 'measured', description: `${longest} ms` })
      expect(longest).toBeLessThan(LONGEST_TASK_MS)
    },
  )
}
