// A server that is as busy as it can be: the page stays usable.
import { expect, test } from './fixtures'

for (const path of ['/', '/locks', '/events']) {
  test(`${path} stays usable while thousands of events come a second`, async ({ page, server }) => {
    server.work('dlm-load', 'cycle', '--workers', '64', '--keys', '20', '--seconds', '600')
    const granted = async () => {
      const { seconds } = await server.call<{ seconds: { granted: number }[] }>('/v1/overview')
      return seconds.reduce((sum, second) => sum + second.granted, 0)
    }
    await expect.poll(granted, { timeout: 20_000 }).toBeGreaterThan(2_000)
    await page.goto(`${server.url}${path}`)
    await expect(page.getByTestId('live')).toHaveText('Live', { timeout: 10_000 })
    // Much happens while it is open, before anything is asked of it.
    const before = await granted()
    await expect.poll(granted, { timeout: 20_000 }).toBeGreaterThan(before + 5_000)
    const from = Date.now()
    await page.keyboard.press('?')
    await expect(page.getByRole('dialog')).toBeVisible()
    await page.keyboard.press('Escape')
    await expect(page.getByRole('dialog')).toBeHidden()
    expect(Date.now() - from).toBeLessThan(2_000)
    // And what is slow and rare among it is found by its name.
    await server.lock('needle', { owner: 'rare' })
    await page.goto(`${server.url}/locks?prefix=needle`)
    await expect(page.getByRole('grid')).toContainText('rare')
  })
}
