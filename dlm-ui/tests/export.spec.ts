// What can be taken away: tables as CSV and JSON, an incident as Markdown.
import { readFile } from 'node:fs/promises'
import type { Page } from '@playwright/test'
import { expect, open, test } from './fixtures'

async function saved(page: Page, menu: string, format: string): Promise<{ name: string; text: string }> {
  await page.getByRole('button', { name: menu, exact: true }).click()
  const [download] = await Promise.all([
    page.waitForEvent('download'),
    page.getByRole('dialog').getByRole('button', { name: format }).click(),
  ])
  return { name: download.suggestedFilename(), text: await readFile(await download.path(), 'utf8') }
}

test('the list of locks is taken away as CSV and JSON, as it is filtered', async ({ page, server }) => {
  await server.lock('=cmd()', { owner: 'a,b' })
  await server.lock('other', { owner: 'c' })
  await open(page, server, '/locks?owner=a')
  const table = await saved(page, 'Export locks', 'CSV')
  expect(table.name).toBe('locks.csv')
  const [, first, ...rest] = table.text.split('\r\n')
  expect(first).toMatch(/^"'=cmd\(\)",held,exclusive,"a,b",1,1,/)
  expect(rest).toEqual([''])
  const list = await saved(page, 'Export locks', 'JSON')
  const names = (JSON.parse(list.text) as { resource: string }[]).map(({ resource }) => resource)
  expect(names).toEqual(['=cmd()'])
})

test('an incident is copied as Markdown with its timeline', async ({ page, server }) => {
  await page.context().grantPermissions(['clipboard-read', 'clipboard-write'])
  await server.lock('job', { owner: '<b>api</b>' })
  await server.wait('job', 'patient')
  await open(page, server, '/locks/job')
  await expect(page.getByTestId('event').filter({ hasText: 'queued' })).toBeVisible()
  await page.getByRole('button', { name: 'Incident' }).click()
  await page.getByRole('button', { name: 'Copy as Markdown' }).click()
  await expect(page.getByTestId('toast')).toHaveText('Copied')
  const text = await page.evaluate(() => navigator.clipboard.readText())
  expect(text).toContain('# Lock `job`')
  expect(text).toContain('- `<b>api</b>`, token 1, exclusive, for ')
  expect(text).toMatch(/1\. `patient`, exclusive, for /)
  expect(text).toMatch(/UTC granted `<b>api<\/b>`, exclusive, token 1/)
})
