// Stands between a page and a server without authentication, and answers as one that authenticates: for what happens to
// a request or a socket in flight, at the moment that a test chooses.
import type { Page, WebSocketRoute } from '@playwright/test'
import { expect } from './fixtures'

export interface Principal {
  principal: string
  rules: { role: 'observe' | 'lock' | 'admin'; prefix: string; max_ttl_ms?: number }[]
  expires_at?: string
}

type Role = Principal['rules'][number]['role']

export class Gate {
  /** The principals by their tokens. */
  principals: Record<string, Principal> = {}
  /** The role that a request lacks. */
  lacks: (path: string, principal: Principal) => Role | null = () => null
  #tickets = 0
  #sockets: WebSocketRoute[] = []

  private constructor(private readonly page: Page) {}

  static async before(page: Page, principals: Gate['principals']): Promise<Gate> {
    const gate = new Gate(page)
    gate.principals = principals
    await page.routeWebSocket(/\/v1\/events/, (socket) => {
      socket.connectToServer()
      gate.#sockets.push(socket)
    })
    await page.route('**/v1/**', (route) => {
      const request = route.request()
      const path = new URL(request.url()).pathname
      const token = /^Bearer (.*)$/.exec(request.headers()['authorization'] ?? '')?.[1]
      const who = gate.principals[token ?? '']
      if (!who) return route.fulfill(problem(401, 'unauthenticated'))
      if (path === '/v1/whoami') return route.fulfill({ json: { expires_at: null, ...who } })
      if (path === '/v1/tickets') gate.#tickets += 1
      const required = gate.lacks(decodeURIComponent(path), who)
      return required ? route.fulfill(problem(403, 'forbidden', { required })) : route.continue()
    })
    return gate
  }

  get tickets(): number {
    return this.#tickets
  }

  /**
   * Closes the event stream as a server does that withdraws a token (4401) or a right (4403), once it is live: a stream
   * that is still being opened would not be closed.
   */
  async close(code: number): Promise<void> {
    await expect(this.page.getByTestId('live')).toHaveText('Live')
    const sockets = this.#sockets
    this.#sockets = []
    await Promise.all(sockets.map((socket) => socket.close({ code })))
  }
}

function problem(status: number, code: string, part: object = {}) {
  const json = {
    type: `/problems/${code}`,
    title: code,
    status,
    detail: code,
    code,
    request_id: 'r',
    ...part,
  }
  return { status, json, contentType: 'application/problem+json' }
}

/** Types a token into the form and submits it. */
export async function enter(page: Page, token: string, { keep = false } = {}): Promise<void> {
  await page.getByLabel('Token', { exact: true }).fill(token)
  await page.getByLabel(/Keep for this tab/).setChecked(keep)
  await page.getByRole('button', { name: 'Sign in', exact: true }).click()
}

/** Opens a view with a token, which is kept for the tab. */
export async function openAs(page: Page, url: string, token: string): Promise<void> {
  await page.goto(url)
  await enter(page, token, { keep: true })
  await expect(page.getByRole('button', { name: /^Signed in as/ })).toBeVisible()
}
