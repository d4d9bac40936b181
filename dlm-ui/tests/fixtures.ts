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
      page.on('websocket', (socket) => {
        if (new URL(socket.url()).host !== new URL(server.url).host) wrong.push(`asked for ${socket.url()}`)
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

/** Opens a view and waits until it is live. How long that takes a busy machine is no claim of a test. */
export async function open(page: Page, server: TestServer, path: string): Promise<void> {
  await page.goto(`${server.url}${path}`)
  await expect(page.getByTestId('live')).toHaveText('Live', { timeout: 15_000 })
}

/** Watches the page from now on for an element with this text; the result waits for it and tells when it was drawn. */
export async function watchFor(page: Page, selector: string, text: RegExp): Promise<() => Promise<number>> {
  const watching = await page.evaluateHandle(
    ([selector, pattern]) => {
      const shown = new Promise<number>((resolve) => {
        const wanted = new RegExp(pattern)
        const look = () => {
          const found = [...document.querySelectorAll(selector)].some((one) =>
            wanted.test(one.textContent ?? ''),
          )
          if (!found) return
          changes.disconnect()
          requestAnimationFrame(() => resolve(Date.now()))
        }
        const changes = new MutationObserver(look)
        changes.observe(document, { subtree: true, childList: true, characterData: true })
        look()
      })
      return { shown }
    },
    [selector, text.source] as const,
  )
  return () => watching.evaluate(({ shown }) => shown)
}

const SOON_MS = 300
const TRIES = 3

export interface Change {
  /** What shows it. */
  selector: string
  text: RegExp
  /** Has it happen. */
  happens: () => Promise<unknown>
  /** The lock and the kind of its event, by whose instant it is measured. */
  resource: string
  kind: string
}

/**
 * A change is on screen within 300 ms of its event. A busy machine is late now and then, and a page that is late is late
 * each time: the best of three counts. Each try makes another change.
 */
export async function expectSoon(
  page: Page,
  server: TestServer,
  change: (number: number) => Change | Promise<Change>,
): Promise<void> {
  const delays: number[] = []
  for (let number = 1; number <= TRIES && !(Math.min(...delays) < SOON_MS); number += 1) {
    const { selector, text, happens, resource, kind } = await change(number)
    const shown = await watchFor(page, selector, text)
    await happens()
    const at = await shown()
    const { events } = await server.newestEvents(resource)
    const event = events.findLast((one) => one.kind === kind)
    if (!event) throw new Error(`${resource} was not ${kind}`)
    delays.push(at - Date.parse(event.at))
  }
  expect(Math.min(...delays), `of ${delays.join(', ')} ms`).toBeLessThan(SOON_MS)
}

/** The best of a few tries at what is to be quick: a busy machine is slow now and then, a slow page each time. */
export async function bestOf(limit: number, measure: () => Promise<number>): Promise<number> {
  let best = Number.POSITIVE_INFINITY
  for (let number = 0; number < TRIES && best >= limit; number += 1) best = Math.min(best, await measure())
  return best
}
