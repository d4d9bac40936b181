// A server for unit tests that answers each request as the test says.
import { vi } from 'vitest'
import { ApiError } from './client'
import type { Problem, Role } from './types'

export interface SentRequest {
  path: string
  token: string | null
  init: RequestInit
}

export type Answer = (request: SentRequest) => [status: number, body: unknown]

/** Replaces `fetch`. Returns the requests sent so far. */
export function serve(answer: Answer): SentRequest[] {
  const sent: SentRequest[] = []
  vi.stubGlobal('fetch', async (path: string, init: RequestInit) => {
    const authorization = new Headers(init.headers).get('authorization')
    const request = { path, token: authorization?.replace(/^Bearer /, '') ?? null, init }
    sent.push(request)
    const [status, body] = answer(request)
    return new Response(JSON.stringify(body), { status })
  })
  return sent
}

export function problem(status: number, code: string, part: object = {}): [number, unknown] {
  return [
    status,
    {
      type: `/problems/${code}`,
      title: code,
      status,
      detail: `It is ${code}`,
      code,
      request_id: 'r',
      ...part,
    },
  ]
}

export const unauthenticated = problem(401, 'unauthenticated')

/** What a request is rejected with whose principal lacks a role. */
export function denial(required: Role): ApiError {
  const [status, body] = problem(403, 'forbidden', { required })
  return new ApiError(status, body as Problem, 'denied')
}
