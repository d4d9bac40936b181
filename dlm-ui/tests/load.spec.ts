// The page's share of a processor, and its longest task, with a lock that real workers hand over all the time. In
// script/test-full: a machine that is much slower than usual needs more processor time for the same work.
import { bestOf, expect, open, test } from './fixtures'
import { longestTask, processorShare } from './tasks'

const MEASURED_MS = 6_000
/** Of one processor. */
const HOT_SHARE = 0.25
const IDLE_SHARE = 0.01
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

for (const path of ['/', '/locks/quiet']) {
  test(
    `${path} takes next to nothing of a processor while nothing happens`,
    { tag: '@measure' },
    async ({ page, server }) => {
      await server.lock('quiet', { owner: 'api-7', ttl_ms: 3_600_000 })
      if (path !== '/') await server.wait('quiet', 'api-8')
      await open(page, server, path)
      await page.waitForTimeout(SETTLE_MS)
      const share = await bestOf(IDLE_SHARE, () => processorShare(page, MEASURED_MS))
      test.info().annotations.push({ type: 'measured', description: `${share} of a processor` })
      expect(share, `${share} of a processor`).toBeLessThan(IDLE_SHARE)
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
