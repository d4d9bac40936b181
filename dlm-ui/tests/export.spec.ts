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

test('each table is taken away as it is shown', async ({ page, server }) => {
  await server.lock('jobs/1', { owner: 'one' })
  await server.lock('jobs/2', { owner: 'two' })
  await server.wait('jobs/1', 'two')
  for (const [path, menu, row] of [
    ['/', 'Export contended locks', 'jobs/1,1,'],
    ['/locks', 'Export locks', 'jobs/1,held,exclusive,one,1,1,'],
    ['/locks?group=1', 'Export groups', 'jobs/,2,2,1,'],
    ['/locks/jobs%2F1', 'Export holders', 'one,,exclusive,1,'],
    ['/locks/jobs%2F1', 'Export queue', '1,two,,exclusive,'],
    ['/locks/jobs%2F1', 'Export events', ',queued,jobs/1,two,'],
    ['/events', 'Export events', ',granted,jobs/2,two,'],
    ['/owners', 'Export owners', 'one,,1,1,0,'],
    ['/owners/two', 'Export holds', 'jobs/2,two,,exclusive,1,'],
    ['/owners/two', 'Export waits', 'jobs/1,two,,exclusive,1,'],
    ['/owners/two', 'Export history', ',granted,jobs/2,two,'],
    ['/playground?name=jobs/1', 'Export events', ',granted,jobs/1,one,'],
  ] as const) {
    await open(page, server, path)
    await expect(page.getByRole('button', { name: menu, exact: true })).toBeEnabled()
    const table = await saved(page, menu, 'CSV')
    expect(table.text, `${path} ${menu}`).toContain(row)
    const list = await saved(page, menu, 'JSON')
    expect((JSON.parse(list.text) as unknown[]).length).toBe(table.text.trim().split('\r\n').length - 1)
  }
  for (const [path, menu, row] of [
    ['/state', 'Export locks', 'jobs/1,one,1,'],
    ['/release?prefix=jobs/', 'Export leases', 'jobs/1,one,,1,'],
  ] as const) {
    await page.goto(`${server.url}${path}`)
    const table = await saved(page, menu, 'CSV')
    expect(table.text, path).toContain(row)
  }
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
