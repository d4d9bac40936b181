// A server that is as busy as it can be: the page stays usable.
import type { Page } from '@playwright/test'
import { bestOf, expect, test } from './fixtures'

/** How long the page takes to open its help and close it again, as one who sits before it sees it. */
function helpOpensAndCloses(page: Page): Promise<number> {
  return page.evaluate(async () => {
    const press = (key: string) =>
      (document.activeElement ?? document.body).dispatchEvent(
        new KeyboardEvent('keydown', { key, bubbles: true }),
      )
    const until = (there: boolean) =>
      new Promise<void>((resolve) => {
        const look = () => {
          if ((document.querySelector('[role=dialog]') !== null) === there)
            requestAnimationFrame(() => resolve())
          else requestAnimationFrame(look)
        }
        look()
      })
    const from = performance.now()
    press('?')
    await until(true)
    press('Escape')
    await until(false)
    return performance.now() - from
  })
}

for (const path of ['/', '/locks', '/events']) {
  test(`${path} stays usable while thousands of events come a second`, async ({ page, server }) => {
    test.setTimeout(120_000)
    server.work('dlm-load', 'cycle', '--workers', '64', '--keys', '20', '--seconds', '600')
    const granted = async () => {
      const { seconds } = await server.call<{ seconds: { granted: number }[] }>('/v1/overview')
      return seconds.reduce((sum, second) => sum + second.granted, 0)
    }
    await expect.poll(granted, { timeout: 20_000 }).toBeGreaterThan(2_000)
    await page.goto(`${server.url}${path}`)
    await expect(page.getByTestId('live')).toHaveText('Live', { timeout: 20_000 })
    // Much happens while it is open, before anything is asked of it.
    const before = await granted()
    await expect.poll(granted, { timeout: 20_000 }).toBeGreaterThan(before + 5_000)
    expect(await bestOf(2_000, () => helpOpensAndCloses(page))).toBeLessThan(2_000)
    // And what is slow and rare among it is found by its name.
    await server.lock('needle', { owner: 'rare' })
    await page.goto(`${server.url}/locks?prefix=needle`)
    await expect(page.getByRole('grid')).toContainText('rare', { timeout: 20_000 })
  })
}
