// Takes screenshots of each view of a busy world for visual review. The output folder is ignored by git.
import { resolve } from 'node:path'
import type { TestServer } from './server'
import { expect, openView, test, VIEWS, type View } from './world'

const FOLDER = resolve(import.meta.dirname, '../screenshots')
const WIDTHS = [1360, 768, 360] as const
/** For a minute's worth of figures in the charts. */
const BEFORE_FIRST_MS = 20_000

/** Both themes show the same world, and each needs a lock that nobody has used. */
const LOCKS = { light: 'deploy/production', dark: 'deploy/staging' }

/** A lock whose leases ended in each way. */
async function tellStory(server: TestServer, resource: string): Promise<void> {
  const deploy = (owner: string, ttl_ms: number) =>
    server.lock(resource, { owner, ttl_ms, wait_ms: 10_000, metadata: { ticket: 'OPS-7' } })
  const pause = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms))
  const first = await deploy('deploy-1', 60_000)
  await pause(4_000)
  await server.release(first)
  await deploy('deploy-2', 3_000)
  const third = await deploy('deploy-3', 60_000)
  await pause(6_000)
  await server.call(`/v1/locks/${encodeURIComponent(resource)}/force-release`, {
    fencing_token: third.fencing_token,
    reason: 'host was replaced',
  })
  await deploy('deploy-4', 600_000)
  await server.wait(resource, 'deploy-5')
}

const storyOf = (resource: string): View => ({
  name: 'lock',
  path: () => `/locks/${encodeURIComponent(resource)}?span=1m`,
  shown: (page) => page.getByTestId('waiter'),
  action: (page) => page.getByRole('button', { name: 'Force-release…' }),
})

for (const theme of ['light', 'dark'] as const) {
  test(
    `screenshots of each view in the ${theme} theme`,
    { tag: '@screenshots' },
    async ({ page, server }) => {
      test.setTimeout(600_000)
      const story = storyOf(LOCKS[theme])
      await tellStory(server, LOCKS[theme])
      await page.waitForTimeout(BEFORE_FIRST_MS)
      await page.emulateMedia({ colorScheme: theme })
      for (const view of [story, ...VIEWS]) {
        for (const width of WIDTHS) {
          await page.setViewportSize({ width, height: width < 500 ? 780 : 900 })
          await openView(page, server, view)
          // Wait for the first per-second figures.
          await page.waitForTimeout(1_200)
          await page.screenshot({ path: resolve(FOLDER, `${view.name}-${width}-${theme}.png`) })
        }
      }
      await page.setViewportSize({ width: 1360, height: 900 })
      await openView(page, server, story)
      await story.action(page).click()
      await page.getByLabel(/Reason/).fill('host is gone')
      await expect(page.getByRole('alertdialog')).toBeVisible()
      await page.screenshot({ path: resolve(FOLDER, `force-release-${theme}.png`) })
    },
  )
}

test(
  'screenshots in forced colors and with large text',
  { tag: '@screenshots' },
  async ({ page, server }) => {
    test.setTimeout(600_000)
    await page.emulateMedia({ reducedMotion: 'reduce' })
    for (const view of VIEWS) {
      await page.setViewportSize({ width: 1360, height: 900 })
      await page.emulateMedia({ forcedColors: 'active' })
      await openView(page, server, view)
      await page.screenshot({ path: resolve(FOLDER, `${view.name}-forced-colors.png`) })
      await page.emulateMedia({ forcedColors: 'none' })
      await page.evaluate(() => (document.documentElement.style.fontSize = '200%'))
      await page.waitForTimeout(500)
      await page.screenshot({ path: resolve(FOLDER, `${view.name}-large-text.png`) })
    }
  },
)
