// The page says when it has failed itself, or when an answer is not as it expects.
import { test as base } from '@playwright/test'
import { expect, open, test } from './fixtures'
import { TestServer } from './server'

/** Without the guard of the others, which fails on uncaught errors. */
base('an error that nothing has handled is shown', async ({ page }) => {
  const server = await TestServer.start()
  try {
    await open(page, server, '/')
    await page.evaluate(() => void Promise.reject(new Error('a fault of the page')))
    const notice = page.getByTestId('fault')
    await expect(notice).toContainText('This page has failed')
    await expect(notice).toContainText('a fault of the page')
    await notice.getByRole('button', { name: 'Dismiss' }).click()
    await expect(notice).toBeHidden()
  } finally {
    await server.stop()
  }
})

base('an error of a component is shown', async ({ page }) => {
  const server = await TestServer.start()
  try {
    await open(page, server, '/')
    await page.evaluate(() => {
      Number.prototype.toLocaleString = () => {
        throw new Error('a fault of a component')
      }
    })
    await server.lock('a')
    await expect(page.getByTestId('fault')).toContainText('a fault of a component')
  } finally {
    await server.stop()
  }
})

test('an answer that is not as the page expects is an error, not a wrong view', async ({ page, server }) => {
  await server.lock('a')
  await page.route('**/v1/locks/a', async (route) => {
    const response = await route.fetch()
    const status = (await response.json()) as object
    await route.fulfill({ response, json: { ...status, holders: 'none' } })
  })
  await page.goto(`${server.url}/locks/a`)
  await expect(page.getByText('The server’s answer is not as this page expects (holders:')).toBeVisible()
})
