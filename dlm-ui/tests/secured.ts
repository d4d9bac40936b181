// A server that authenticates, with a principal for each role.
import type { Page } from '@playwright/test'
import { AuthFile, newToken, type Principal } from './authFile'
import { expect, test as base } from './fixtures'
import { TestServer } from './server'

export { expect }

export const ROOT: Principal = { name: 'root', token: newToken(), rules: [{ role: 'admin', prefix: '' }] }
export const WATCHER: Principal = {
  name: 'watcher',
  token: newToken(),
  rules: [{ role: 'observe', prefix: '' }],
}
export const CLIENT: Principal = {
  name: 'api',
  token: newToken(),
  rules: [{ role: 'lock', prefix: 'orders/', limits: 'max_ttl = "10m"' }],
}
export const ON_CALL: Principal = {
  name: 'on-call',
  token: newToken(),
  rules: [
    { role: 'observe', prefix: '' },
    { role: 'admin', prefix: 'orders' },
  ],
}
export const NOBODY: Principal = { name: 'nobody', token: newToken(), rules: [] }

const EVERYBODY = [ROOT, WATCHER, CLIENT, ON_CALL, NOBODY]

export class SecuredServer extends TestServer {
  readonly authFile = new AuthFile()

  /** The file names everybody, with these changes. */
  write(...changes: Principal[]): void {
    const changed = new Map([...EVERYBODY, ...changes].map((principal) => [principal.name, principal]))
    this.authFile.write([...changed.values()])
  }
}

interface Fixtures {
  server: SecuredServer
  /** Fails the test if a token or a ticket shows where it may not. */
  secrets: undefined
}

export const test = base.extend<Fixtures>({
  // eslint-disable-next-line no-empty-pattern
  server: async ({}, use) => {
    const server = new SecuredServer()
    server.token = ROOT.token
    server.write()
    await server.run('--auth-file', server.authFile.path)
    await use(server)
    await server.stop()
    server.authFile.remove()
  },
  secrets: [
    async ({ page }, use) => {
      const seen: string[] = []
      page.on('request', (request) => seen.push(request.url()))
      page.on('websocket', (socket) => seen.push(socket.url()))
      page.on('console', (message) => seen.push(message.text()))
      page.on('framenavigated', (frame) => seen.push(frame.url()))
      await use(undefined)
      seen.push(await page.evaluate(() => JSON.stringify(localStorage) + document.documentElement.outerHTML))
      expect(seen.filter((text) => /dlm_[\w-]{43}|dlm\.ticket/.test(text))).toEqual([])
    },
    { auto: true },
  ],
})

/** Types a token into the form and submits it. */
export async function enter(page: Page, token: string, { keep = false } = {}): Promise<void> {
  await page.getByLabel('Token', { exact: true }).fill(token)
  await page.getByLabel(/Keep for this tab/).setChecked(keep)
  await page.getByRole('button', { name: 'Sign in', exact: true }).click()
}

/** Opens a view as a principal. The sign-in is kept for the tab, so that other views can be opened as well. */
export async function openAs(
  page: Page,
  server: TestServer,
  principal: Principal,
  path: string,
): Promise<void> {
  await page.goto(`${server.url}${path}`)
  await enter(page, principal.token, { keep: true })
  await expect(page.getByRole('button', { name: `Signed in as ${principal.name}` })).toBeVisible()
}
