import { test as base, expect, type Page } from '@playwright/test'
import { TestServer } from './server'

interface Fixtures {
  server: TestServer
  /** Fails the test on requests to other hosts, CSP violations, Vue warnings, and uncaught errors. */
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
      const violations: string[] = []
      page.on('request', (request) => {
        const { protocol, host } = new URL(request.url())
        if (protocol !== 'blob:' && host !== new URL(server.url).host)
          violations.push(`request to ${request.url()}`)
      })
      page.on('websocket', (socket) => {
        if (new URL(socket.url()).host !== new URL(server.url).host)
          violations.push(`WebSocket to ${socket.url()}`)
      })
      page.on('pageerror', (error) => violations.push(`uncaught error: ${error.message}`))
      page.on('console', (message) => {
        if (/Content Security Policy|\[Vue warn\]/.test(message.text())) violations.push(message.text())
      })
      await use(undefined)
      expect(violations).toEqual([])
    },
    { auto: true },
  ],
})

export { expect }

/** Opens a view and waits until it is live. The timeout is generous, since the load time is not under test. */
export async function open(page: Page, server: TestServer, path: string): Promise<void> {
  await page.goto(`${server.url}${path}`)
  await expect(page.getByTestId('live')).toHaveText('Live', { timeout: 15_000 })
}

/** Starts watching for an element with this text. The returned function resolves to the time when it was rendered. */
export async function watchFor(page: Page, selector: string, text: RegExp): Promise<() => Promise<number>> {
  const watcher = await page.evaluateHandle(
    ([selector, pattern]) => {
      const shown = new Promise<number>((resolve) => {
        const expected = new RegExp(pattern)
        const check = () => {
          const found = [...document.querySelectorAll(selector)].some((element) =>
            expected.test(element.textContent ?? ''),
          )
          if (!found) return
          observer.disconnect()
          requestAnimationFrame(() => resolve(Date.now()))
        }
        const observer = new MutationObserver(check)
        observer.observe(document, { subtree: true, childList: true, characterData: true })
        check()
      })
      return { shown }
    },
    [selector, text.source] as const,
  )
  return () => watcher.evaluate(({ shown }) => shown)
}

const SOON_MS = 300
const MAX_ATTEMPTS = 3

export interface Change {
  /** The element that shows the change. */
  selector: string
  text: RegExp
  /** Causes the change. */
  trigger: () => Promise<unknown>
  /** The lock and the kind of the event from whose time the delay is measured. */
  resource: string
  kind: string
}

/**
 * Expects a change to be on screen within 300 ms of its event. The best of three attempts counts: a busy machine is slow
 * now and then, but a slow page is slow every time. Each attempt makes a new change.
 */
export async function expectSoon(
  page: Page,
  server: TestServer,
  change: (number: number) => Change | Promise<Change>,
): Promise<void> {
  const delays: number[] = []
  for (let number = 1; number <= MAX_ATTEMPTS && !(Math.min(...delays) < SOON_MS); number += 1) {
    const { selector, text, trigger, resource, kind } = await change(number)
    const shown = await watchFor(page, selector, text)
    await trigger()
    const at = await shown()
    const { events } = await server.newestEvents(resource)
    const event = events.findLast((candidate) => candidate.kind === kind)
    if (!event) throw new Error(`no ${kind} event for ${resource}`)
    delays.push(at - Date.parse(event.at))
  }
  expect(Math.min(...delays), `the best of ${delays.join(', ')} ms`).toBeLessThan(SOON_MS)
}

/** The best of up to three measurements; stops at the first below the limit. */
export async function bestOf(limit: number, measure: () => Promise<number>): Promise<number> {
  let best = Number.POSITIVE_INFINITY
  for (let number = 0; number < MAX_ATTEMPTS && best >= limit; number += 1)
    best = Math.min(best, await measure())
  return best
}
