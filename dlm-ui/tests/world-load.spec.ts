// What each view of a busy world, with a lock of a thousand grants per second, takes of a processor. In
// script/test-full. A machine that is slower than the one that the limits were set on has more time.
import { bestOf } from './fixtures'
import { longestTask, processorShare, slowness } from './tasks'
import { expect, MEASURED, openView, test } from './world'

const MEASURED_MS = 6_000
/** Of one processor. */
const SHARE = 0.25
const LONGEST_TASK_MS = 50
/** What a page does once when it opens. */
const SETTLE_MS = 3_000

for (const view of MEASURED) {
  test(
    `${view.name} of a busy world takes a quarter of a processor at most`,
    { tag: '@measure' },
    async ({ browser, page, server }) => {
      const slower = await slowness(page)
      await openView(page, server, view)
      await page.waitForTimeout(SETTLE_MS)
      const share = await bestOf(SHARE * slower, () => processorShare(page, MEASURED_MS))
      const longest = await bestOf(LONGEST_TASK_MS * slower, () =>
        longestTask(browser, page, () => page.waitForTimeout(MEASURED_MS)),
      )
      const description = `${share} of a processor, ${longest} ms, machine ${slower} times slower`
      test.info().annotations.push({ type: 'measured', description })
      expect(share).toBeLessThan(SHARE * slower)
      expect(longest).toBeLessThan(LONGEST_TASK_MS * slower)
    },
  )
}
