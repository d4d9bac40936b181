// The page's share of a processor, and its longest task, with a lock that real workers hand over all the time. In
// script/test-full. A machine that is slower than the one that the limits were set on has more time.
import { bestOf, expect, open, test } from './fixtures'
import { longestTask, processorShare, slowness } from './tasks'

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
      const slower = await slowness(page)
      server.spawn('dlm-load', 'handoff', '--workers', '16', '--seconds', '600')
      const hot = async () =>
        (await server.call<{ locks: { resource: string }[] }>('/v1/locks?state=all')).locks[0]?.resource
      await expect.poll(hot).toBeTruthy()
      const path = view === 'lock' ? `/locks/${encodeURIComponent((await hot()) ?? '')}` : view
      await open(page, server, path)
      await page.waitForTimeout(SETTLE_MS)
      const share = await bestOf(HOT_SHARE * slower, () => processorShare(page, MEASURED_MS))
      const longest = await bestOf(LONGEST_TASK_MS * slower, () =>
        longestTask(browser, page, () => page.waitForTimeout(MEASURED_MS)),
      )
      const description = `${share} of a processor, ${longest} ms, machine ${slower} times slower`
      test.info().annotations.push({ type: 'measured', description })
      expect(share).toBeLessThan(HOT_SHARE * slower)
      expect(longest).toBeLessThan(LONGEST_TASK_MS * slower)
    },
  )
}

for (const path of ['/', '/locks/quiet']) {
  test(
    `${path} takes next to nothing of a processor while nothing happens`,
    { tag: '@measure' },
    async ({ page, server }) => {
      const slower = await slowness(page)
      await server.lock('quiet', { owner: 'api-7', ttl_ms: 3_600_000 })
      if (path !== '/') await server.wait('quiet', 'api-8')
      await open(page, server, path)
      await page.waitForTimeout(SETTLE_MS)
      const share = await bestOf(IDLE_SHARE * slower, () => processorShare(page, MEASURED_MS))
      test.info().annotations.push({
        type: 'measured',
        description: `${share} of a processor, machine ${slower} times slower`,
      })
      expect(share, `${share} of a processor`).toBeLessThan(IDLE_SHARE * slower)
    },
  )
}

for (const path of ['/', '/locks', '/events']) {
  test(
    `a burst of 5,000 locks is no long task at ${path}`,
    { tag: '@measure' },
    async ({ browser, page, server }) => {
      const slower = await slowness(page)
      await open(page, server, path)
      const held = async () => (await server.call<{ held: number }>('/v1/overview?seconds=0')).held
      const longest = await longestTask(browser, page, async () => {
        server.spawn('dlm-load', 'hold', '--workers', '5000', '--ttl-ms', '600000', '--seconds', '600')
        await expect.poll(held, { timeout: 120_000 }).toBe(5_000)
        await page.waitForTimeout(2_000)
      })
      test
        .info()
        .annotations.push({ type: 'measured', description: `${longest} ms, machine ${slower} times slower` })
      expect(longest).toBeLessThan(LONGEST_TASK_MS * slower)
    },
  )
}
