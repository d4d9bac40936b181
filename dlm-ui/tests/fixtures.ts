import { test as base, expect, type Page } from '@playwright/test'
import { TestServer } from './server'

interface Fixtures {
  server: TestServer
  /** Fails the test when the page asked anybody but its server, broke its policy, or failed. */
  guard: undefined
}

export const test = base.extend<Fixtures>({
  // eslint-disable-next-line no-empty-pattern
  server: async ({}, use) => {
    const server = await TestServer.start()
    await use(server)
    await server.stop()
  },
  guard: [
    async ({ page, server }, use) => {
      const wrong: string[] = []
      page.on('request', (request) => {
        const { protocol, host } = new URL(request.url())
        if (protocol !== 'blob:' && host !== new URL(server.url).host)
          wrong.push(`asked for ${request.url()}`)
      })
      page.on('pageerror', (error) => wrong.push(`failed: ${error.message}`))
      page.on('console', (message) => {
        if (/Content Security Policy|\[Vue warn\]/.test(message.text())) wrong.push(message.text())
      })
      await use(undefined)
      expect(wrong).toEqual([])
    },
    { auto: true },
  ],
})

export { expect }

/** Opens a view and waits until it is live. */
export async function open(page: Page, server: TestServer, path: string): Promise<void> {
  await page.goto(`${server.url}${path}`)
  await expect(page.getByTestId('live')).toHaveText('Live')
}

/** The moment from which an element with this test id, or any selector, has this text. */
export function shownAt(page: Page, selector: string, text: string): Promise<number> {
  return page.evaluate(
    ([selector, text]) =>
      new Promise<number>((resolve) => {
        const look = () => {
          const found = [...document.querySelectorAll(selector)].some((one) =>
            one.textContent?.includes(text),
          )
          if (found) resolve(Date.now())
          else requestAnimationFrame(look)
        }
        look()
      }),
    [selector, text] as const,
  )
}
