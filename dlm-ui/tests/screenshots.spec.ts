// Takes screenshots of each view for visual review. The output folder is ignored by git.
import { resolve } from 'node:path'
import { expect, open, test } from './fixtures'
import type { TestServer } from './server'

const FOLDER = resolve(import.meta.dirname, '../screenshots')

/** Creates locks in every state. */
async function populate(server: TestServer): Promise<void> {
  server.spawn('dlm-load', 'handoff', '--workers', '4', '--seconds', '600')
  for (const [name, owner, mode] of [
    ['billing/invoices/2026-11', 'billing-worker-3', 'exclusive'],
    ['orders/42', 'api-7', 'exclusive'],
    ['orders/43', 'api-2', 'exclusive'],
    ['reports/daily', 'reader-1', 'shared'],
    ['reports/daily', 'reader-2', 'shared'],
    ['reports/daily', 'reader-3', 'shared'],
    ['device/printer-4', 'print-spooler', 'exclusive'],
  ] as const) {
    await server.lock(name, { owner, mode, ttl_ms: 90_000, metadata: { host: `${owner}.internal` } })
  }
  for (let number = 1; number <= 6; number += 1) await server.wait('orders/42', `api-${10 + number}`)
  await server.wait('billing/invoices/2026-11', 'billing-worker-5')
  await server.wait('reports/daily', 'nightly-writer')
  await server.lock('jobs/cleanup', { owner: 'cron-1', ttl_ms: 400 })
  for (const [owner, ttl_ms] of [
    ['deploy-1', 60_000],
    ['deploy-2', 700],
    ['deploy-3', 60_000],
    ['deploy-4', 60_000],
  ] as const) {
    const lease = await server.lock('deploy/production', { owner, ttl_ms, wait_ms: 10_000 })
    if (ttl_ms < 1_000) continue
    await new Promise((resolve) => setTimeout(resolve, 900))
    if (owner === 'deploy-3') {
      await server.call('/v1/locks/deploy%2Fproduction/force-release', {
        fencing_token: lease.fencing_token,
        reason: 'host was replaced',
      })
    } else if (owner !== 'deploy-4') await server.release(lease)
  }
  await server.wait('deploy/production', 'deploy-5')
}

test('screenshots of each view', { tag: '@screenshots' }, async ({ page, server }) => {
  test.setTimeout(180_000)
  await populate(server)
  for (const theme of ['light', 'dark'] as const) {
    await page.emulateMedia({ colorScheme: theme })
    for (const [name, path] of [
      ['overview', '/'],
      ['locks', '/locks'],
      ['lock', '/locks/deploy%2Fproduction?span=1m'],
      ['events', '/events'],
      ['playground', '/playground?b-mode=shared'],
    ] as const) {
      await open(page, server, path)
      if (name === 'playground') {
        await page.getByTestId('client-a').getByRole('button', { name: 'Acquire' }).click()
        await expect(page.getByTestId('client-a').getByTestId('phase')).toContainText('holding')
        await page.getByTestId('client-b').getByRole('button', { name: 'Acquire' }).click()
      }
      // Wait for the first per-second figures.
      await page.waitForTimeout(1_200)
      await page.screenshot({ path: resolve(FOLDER, `${name}-${theme}.png`) })
      await page.setViewportSize({ width: 360, height: 780 })
      await page.screenshot({ path: resolve(FOLDER, `${name}-${theme}-narrow.png`) })
      await page.setViewportSize({ width: 1360, height: 900 })
    }
    await open(page, server, '/locks/orders%2F42')
    await page.getByRole('button', { name: 'Force-release…' }).click()
    await page.getByLabel(/Reason/).fill('host is gone')
    await page.screenshot({ path: resolve(FOLDER, `force-release-${theme}.png`) })
    await page.keyboard.press('Escape')
  }
})
