// The timeline of a lock: who held it at an instant, zoom and drag.
import { expect, open, test } from './fixtures'

test('the crosshair says who held the lock, and a drag leads back in time', async ({ page, server }) => {
  await server.lock('t', { owner: 'holder-7' })
  await page.setViewportSize({ width: 1360, height: 1400 })
  await open(page, server, '/locks/t?span=1m')
  const timeline = page.getByRole('region', { name: 'Holders over time' })
  const chart = timeline.locator('.chart')
  const box = await chart.boundingBox()
  if (!box) throw new Error('the chart is not shown')
  const y = box.y + box.height / 2
  await page.mouse.move(box.x + box.width - 1, y)
  await expect(timeline.getByTestId('under')).toContainText('holder-7, token 1')
  await page.mouse.move(box.x + 10, y)
  await expect(timeline.getByTestId('under')).toContainText('free')

  await page.mouse.down()
  await page.mouse.move(box.x + box.width / 2, y, { steps: 4 })
  await page.mouse.up()
  await expect(page).toHaveURL(/window=\d+-\d+/)
  await page.reload()
  await expect(timeline.getByRole('button', { name: 'Now' })).toBeVisible()
  await timeline.getByRole('button', { name: 'Now' }).click()
  await expect(page).not.toHaveURL(/window=/)
})

test('the timeline is zoomed and moved by buttons', async ({ page, server }) => {
  await server.lock('t', { owner: 'holder-7' })
  await open(page, server, '/locks/t?span=1m')
  const timeline = page.getByRole('region', { name: 'Holders over time' })
  await timeline.getByRole('button', { name: 'Zoom in' }).click()
  const span = () => {
    const [from, to] = (new URL(page.url()).searchParams.get('window') ?? '0-0').split('-').map(Number)
    return (to ?? 0) - (from ?? 0)
  }
  await expect.poll(span).toBe(30_000)
  await timeline.getByRole('button', { name: 'Earlier' }).click()
  await timeline.getByRole('button', { name: 'Zoom out' }).click()
  await expect.poll(span).toBe(60_000)
  await timeline.getByRole('radio', { name: '10 min' }).click()
  await expect(page).not.toHaveURL(/window=/)
})
