// The page stays responsive while the server is under full load.
import type { Page } from '@playwright/test'
import { bestOf, expect, test } from './fixtures'

/** Measures how long the page takes to open and close the help dialog, in milliseconds. */
function measureHelpDialog(page: Page): Promise<number> {
  return page.evaluate(async () => {
    const press = (key: string) =>
      (document.activeElement ?? document.body).dispatchEvent(
        new KeyboardEvent('keydown', { key, bubbles: true }),
      )
    const dialogIs = (open: boolean) =>
      new Promise<void>((resolve) => {
        const check = () => {
          if ((document.querySelector('[role=dialog]') !== null) === open)
            requestAnimationFrame(() => resolve())
          else requestAnimationFrame(check)
        }
        check()
      })
    const startedAt = performance.now()
    press('?')
    await dialogIs(true)
    press('Escape')
    await dialogIs(false)
    return performance.now() - startedAt
  })
}

for (const path of ['/', '/locks', '/events']) {
  test(`${path} stays responsive at thousands of events per second`, async ({ page, server }) => {
    test.setTimeout(120_000)
    server.spawn('dlm-load', 'cycle', '--workers', '64', '--keys', '20', '--seconds', '600')
    const granted = async () => {
      const { seconds } = await server.call<{ seconds: { granted: number }[] }>('/v1/overview')
      return seconds.reduce((sum, second) => sum + second.granted, 0)
    }
    await expect.poll(granted, { timeout: 20_000 }).toBeGreaterThan(2_000)
    await page.goto(`${server.url}${path}`)
    await expect(page.getByTestId('live')).toHaveText('Live', { timeout: 20_000 })
    // Let the page process a few thousand events before measuring.
    const before = await granted()
    await expect.poll(granted, { timeout: 20_000 }).toBeGreaterThan(before + 5_000)
    expect(await bestOf(2_000, () => measureHelpDialog(page))).toBeLessThan(2_000)
    // A single lock among the load is found by its name.
    await server.lock('needle', { owner: 'rare' })
    await page.goto(`${server.url}/locks?prefix=needle`)
    await expect(page.getByRole('grid')).toContainText('rare', { timeout: 20_000 })
  })
}
