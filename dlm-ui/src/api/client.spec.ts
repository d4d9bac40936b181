import { beforeEach, expect, test, vi } from 'vitest'
import { held } from '../state/testData'
import { api, ApiError, UnreachableError } from './client'
import { credential } from './credential'
import { problem, serve, unauthenticated } from './testing'

const refused = vi.fn()
const forbidden = vi.fn()

beforeEach(() => {
  refused.mockReset()
  forbidden.mockReset()
  credential.handleDenials({ refused, forbidden })
  credential.replace(null, { samePrincipal: false })
})

/** Waits until a request was refused. */
const asked = () => vi.waitFor(() => expect(refused).toHaveBeenCalled())

test('a request carries the token in its header, and only there', async () => {
  credential.replace('dlm_secret', { samePrincipal: false })
  const sent = serve(({ path }) =>
    path.endsWith('/force-release')
      ? [200, { current_token: 2, released: held('a', 1).holders[0] }]
      : [200, held('a', 1)],
  )
  await api.status('a')
  await api.forceRelease('a', 1, 'reason')
  for (const { path, token, init } of sent) {
    expect(token).toBe('dlm_secret')
    expect(path + JSON.stringify(init.body)).not.toContain('dlm_secret')
    // Neither kept on disk nor sent elsewhere.
    expect([init.cache, init.redirect]).toEqual(['no-store', 'error'])
  }
  credential.replace(null, { samePrincipal: false })
  await api.status('a')
  expect(sent.at(-1)?.token).toBeNull()
})

test('a refused request is repeated with the next token, body and all', async () => {
  credential.replace('old', { samePrincipal: false })
  const answer = { current_token: 5, released: held('a', 4).holders[0] }
  const sent = serve(({ token }) => (token === 'new' ? [200, answer] : unauthenticated))
  const released = api.forceRelease('a', 4, 'half typed')
  await asked()
  credential.replace('new', { samePrincipal: true })
  expect(await released).toEqual(answer)
  expect(sent.map(({ token }) => token)).toEqual(['old', 'new'])
  expect(sent[1]?.init.body).toBe(sent[0]?.init.body)
  expect(refused).toHaveBeenCalledTimes(1)
})

test('nothing is sent while a token is being asked for', async () => {
  const sent = serve(({ token }) => (token === 'new' ? [200, held('a', 1)] : unauthenticated))
  const first = api.status('a')
  await asked()
  const second = api.status('b')
  await Promise.resolve()
  expect(sent).toHaveLength(1)
  credential.replace('new', { samePrincipal: true })
  await Promise.all([first, second])
  expect(sent.slice(1).map(({ token }) => token)).toEqual(['new', 'new'])
})

test('a request of one principal is not repeated for another', async () => {
  credential.replace('mine', { samePrincipal: false })
  const sent = serve(({ token }) => (token === 'theirs' ? [200, {}] : unauthenticated))
  const released = api.forceRelease('a', 4, 'reason')
  await asked()
  const waiting = api.status('a')
  credential.replace('theirs', { samePrincipal: false })
  await expect(released).rejects.toMatchObject({ status: 401 })
  await expect(waiting).rejects.toMatchObject({ status: 401 })
  expect(sent).toHaveLength(1)
})

test('trying a token asks for no other', async () => {
  const sent = serve(() => unauthenticated)
  await expect(api.identify('wrong')).rejects.toMatchObject({ status: 401, unauthenticated: true })
  expect(sent.map(({ token }) => token)).toEqual(['wrong'])
  expect(refused).not.toHaveBeenCalled()
})

test('an aborted request does not wait for a sign-in', async () => {
  serve(() => unauthenticated)
  const controller = new AbortController()
  const listed = api.list('', 'held', 1, null, controller.signal)
  await asked()
  controller.abort()
  await expect(listed).rejects.toMatchObject({ name: 'AbortError' })
})

test('a denial names the missing role and is reported', async () => {
  serve(() => problem(403, 'forbidden', { required: 'admin' }))
  const error = await api.forceRelease('a', 1, 'reason').catch((error: unknown) => error)
  expect(error).toBeInstanceOf(ApiError)
  expect((error as ApiError).missingRole).toBe('admin')
  expect(forbidden).toHaveBeenCalledTimes(1)
})

test('other rejections are not denials', async () => {
  serve(() => problem(403, 'not-holder'))
  await expect(api.release('a', 'id')).rejects.toMatchObject({ missingRole: null, unauthenticated: false })
  expect(forbidden).not.toHaveBeenCalled()
})

test('a reply that is not JSON counts as unreachable', async () => {
  vi.stubGlobal('fetch', async () => new Response('<html>', { status: 502 }))
  await expect(api.status('a')).rejects.toBeInstanceOf(UnreachableError)
})

test('an answer that is not as the page expects is an error that names the place', async () => {
  const [holder] = held('a', 1).holders
  serve(() => [200, held('a', 1, { holders: [{ ...holder, owner: 7 } as never] })])
  await expect(api.status('a')).rejects.toMatchObject({
    name: 'ApiError',
    message: expect.stringContaining('holders.0.owner') as string,
  })
})

test('fields that the page does not know are let through', async () => {
  serve(() => [200, { ...held('a', 1), later: true }])
  expect(await api.status('a')).toMatchObject({ resource: 'a', later: true })
})
