import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { credential } from '../api/credential'
import type { Gap } from '../api/eventSocket'
import { problem, serve, unauthenticated, type Answer, type SentRequest } from '../api/testing'
import { useSignIn } from '../stores/signIn'
import { FakeStream, inScope, stream } from './testing'
import { useEventStream } from './useEventStream'

vi.mock('../api/eventSocket', async () => ({ EventSocket: (await import('./testing')).FakeStream }))

const signal = new AbortController().signal
const whoami = { principal: 'api', rules: [{ role: 'observe', prefix: 'a' }], expires_at: null }
let answer: Answer
let sent: SentRequest[]
let gaps: Gap[]
let dispose: () => void

beforeEach(async () => {
  credential.replace(null, { samePrincipal: false })
  answer = ({ path }) => (path === '/v1/whoami' ? [200, whoami] : [200, { ticket: 't', expires_at: '' }])
  sent = serve((request) => answer(request))
  gaps = []
  const scope = inScope(() =>
    useEventStream(() => ({}), { messages: () => undefined, gap: (gap) => gaps.push(gap) }),
  )
  dispose = scope.dispose
  scope.result.start('c0')
})
afterEach(() => {
  dispose()
  FakeStream.current = null
})

async function signIn() {
  expect(await useSignIn().signIn('token', false)).toBeNull()
  await vi.waitFor(() => expect(gaps).toEqual(['access-changed']))
  gaps = []
  sent.length = 0
}

test('without a sign-in a first connection asks the server for nothing', async () => {
  expect(await stream().authenticate(false, signal)).toBeNull()
  expect(sent).toEqual([])
})

test('after a sign-in each connection gets a ticket for events', async () => {
  const { authenticate } = stream()
  await signIn()
  expect(await authenticate(false, signal)).toBe('t')
  expect(sent.map(({ path, token, init }) => [path, token, init.body])).toEqual([
    ['/v1/tickets', 'token', '{"purpose":"events"}'],
  ])
})

test('a server that requires a token since its restart is noticed at the reconnect', async () => {
  answer = ({ token, path }) => {
    if (token === null) return unauthenticated
    return path === '/v1/whoami' ? [200, whoami] : [200, { ticket: 't', expires_at: '' }]
  }
  const store = useSignIn()
  store.state = 'open'
  const ticket = stream().authenticate(true, signal)
  await vi.waitFor(() => expect(store.asking).toBe('required'))
  await store.signIn('token', false)
  expect(await ticket).toBe('t')
})

test('a reconnect with a withdrawn token asks for another one and goes on', async () => {
  const { authenticate } = stream()
  await signIn()
  answer = ({ token, path }) => {
    if (token === 'token') return unauthenticated
    return path === '/v1/whoami' ? [200, whoami] : [200, { ticket: 'fresh', expires_at: '' }]
  }
  const ticket = authenticate(true, signal)
  await vi.waitFor(() => expect(useSignIn().asking).toBe('ended'))
  await useSignIn().signIn('rotated', false)
  expect(await ticket).toBe('fresh')
  expect(gaps).toEqual([])
})

test('a reconnect with other rights reloads the view instead', async () => {
  const { authenticate } = stream()
  await signIn()
  answer = ({ path }) =>
    path === '/v1/whoami'
      ? [200, { ...whoami, rules: [] }]
      : problem(403, 'forbidden', { required: 'observe' })
  await authenticate(true, signal).catch(() => undefined)
  await vi.waitFor(() => expect(gaps).toEqual(['access-changed']))
  expect(FakeStream.current).toBeNull()
})

test('a reconnect with the same rights only reconnects', async () => {
  const { authenticate } = stream()
  await signIn()
  await authenticate(true, signal)
  expect(sent.map(({ path }) => path)).toEqual(['/v1/whoami', '/v1/tickets'])
  expect(gaps).toEqual([])
})
