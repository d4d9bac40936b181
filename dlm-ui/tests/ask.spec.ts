// Asking a holder to let go of its lock.
import { expect, open, test } from './fixtures'

test('a holder is asked to let go, which the page then says', async ({ page, server }) => {
  await server.lock('job', { owner: 'slow' })
  await open(page, server, '/locks/job')
  await page.getByRole('button', { name: 'Ask…' }).click()
  const dialog = page.getByRole('dialog')
  await expect(dialog).toContainText('slow')
  const send = dialog.getByRole('button', { name: 'Ask to release' })
  await expect(send).toBeDisabled()
  await dialog.getByLabel(/Reason/).fill('a deploy is waiting')
  await dialog.getByRole('radio', { name: '5 min' }).click()
  await send.click()
  await expect(dialog).toBeHidden()
  await expect(page.getByTestId('asked')).toContainText('“a deploy is waiting”')
  await expect(page.getByTestId('holder')).toContainText('slow')
})

test('nobody is asked in place of a holder that is gone', async ({ page, server }) => {
  const first = await server.lock('job', { owner: 'first' })
  await open(page, server, '/locks/job')
  await page.getByRole('button', { name: 'Ask…' }).click()
  await page.getByLabel(/Reason/).fill('a deploy is waiting')
  await server.release(first)
  await server.lock('job', { owner: 'second' })
  await page.getByRole('button', { name: 'Ask to release' }).click()
  await expect(page.getByTestId('failure')).toContainText('The lease has ended. Nobody was asked.')
  await page.keyboard.press('Escape')
  await expect(page.getByTestId('holder')).toContainText('second')
  await expect(page.getByTestId('asked')).toHaveCount(0)
})
