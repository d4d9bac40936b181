import { createPinia, setActivePinia } from 'pinia'
import { beforeEach, expect, test, vi } from 'vitest'
import { api } from '../api/client'
import { credential } from '../api/credential'
import { problem, serve, unauthenticated, type SentRequest } from '../api/testing'
import type { AccessRule } from '../api/types'
import { held } from '../state/testData'
import { useClock } from './clock'
import { useSignIn } from './signIn'

const EVERYTHING: AccessRule[] = [{ role: 'admin', prefix: '' }]
/** Who each token belongs to. */
let principals: Record<string, { principal: string; rules: AccessRule[]; expires_at?: string }>
let sent: SentRequest[]

beforeEach(() => {
  setActivePinia(createPinia())
  credential.replace(null, { samePrincipal: false })
  sessionStorage.clear()
  principals = { good: { principal: 'api', rules: [{ role: 'lock', prefix: 'orders/' }] } }
  sent = serve(({ path, token }) => {
    const who = principals[token ?? '']
    if (!who) return unauthenticated
    if (path === '/v1/whoami') return [200, { expires_at: null, ...who }]
    return path.endsWith('/release') ? [200, { released: true, fencing_token: 1 }] : [200, held('a', 1)]
  })
})

async function signedIn(token = 'good', keep = false) {
  const signIn = useSignIn()
  await signIn.start()
  expect(await signIn.signIn(token, keep)).toBeNull()
  return signIn
}

/** Everything the browser keeps. */
const stored = () => JSON.stringify({ ...sessionStorage, ...localStorage, url: location.href })

test('a server without authentication asks for nothing and allows everything', async () => {
  principals = { '': { principal: '', rules: EVERYTHING } }
  const signIn = useSignIn()
  await signIn.start()
  expect([signIn.state, signIn.may('admin', 'a'), signIn.visiblePrefixes]).toEqual(['open', true, null])
})

test('an older server, which does not know the question, has no authentication', async () => {
  serve(() => problem(404, 'not-found'))
  const signIn = useSignIn()
  await signIn.start()
  expect([signIn.state, signIn.may('admin', 'a')]).toEqual(['open', true])
})

test('a server that can not be asked is no server without authentication', async () => {
  vi.stubGlobal('fetch', async () => Promise.reject(new TypeError('failed')))
  const signIn = useSignIn()
  await expect(signIn.start()).rejects.toThrow('unreachable')
  expect(signIn.state).toBe('unknown')
})

test('a sign-in shows who one is, and the token is kept in memory only', async () => {
  const signIn = useSignIn()
  await signIn.start()
  expect(signIn.state).toBe('signed-out')
  expect(await signIn.signIn('good', false)).toBeNull()
  expect([signIn.state, signIn.principal]).toEqual(['signed-in', 'api'])
  expect([signIn.may('lock', 'orders/1'), signIn.may('lock', 'orders2')]).toEqual([true, false])
  expect(signIn.visiblePrefixes).toEqual(['orders/'])
  expect(stored()).not.toContain('good')
  expect(JSON.stringify(signIn.$state)).not.toContain('good')
})

test('a wrong token is reported and not used', async () => {
  const signIn = useSignIn()
  await signIn.start()
  expect(await signIn.signIn('wrong', true)).toContain('does not accept this token')
  expect([signIn.state, credential.token, stored().includes('wrong')]).toEqual(['signed-out', null, false])
})

test.each(['two words', 'naïve', 'line\nbreak', ''])('%j is no token and is not sent', async (text) => {
  const signIn = useSignIn()
  expect(await signIn.signIn(text, false)).toContain('not a token')
  expect(sent).toEqual([])
})

test('a token that is kept for the tab survives a reload, in session storage only', async () => {
  await signedIn('good', true)
  expect(JSON.stringify({ ...localStorage })).not.toContain('good')
  // A reload.
  setActivePinia(createPinia())
  credential.replace(null, { samePrincipal: false })
  const reloaded = useSignIn()
  await reloaded.start()
  expect([reloaded.state, reloaded.principal, reloaded.kept]).toEqual(['signed-in', 'api', true])
})

test('a kept token that the server no longer accepts is forgotten, and the page says so', async () => {
  await signedIn('good', true)
  setActivePinia(createPinia())
  credential.replace(null, { samePrincipal: false })
  principals = {}
  const reloaded = useSignIn()
  await reloaded.start()
  expect(reloaded.state).toBe('signed-out')
  expect(reloaded.notice).toContain('has ended')
  expect(stored()).not.toContain('good')
})

test('a sign-out forgets the token, the principal and the rules', async () => {
  const signIn = await signedIn('good', true)
  await signIn.signOut()
  expect([signIn.state, signIn.principal, signIn.rules, credential.token]).toEqual([
    'signed-out',
    '',
    [],
    null,
  ])
  expect(stored()).not.toContain('good')
})

test('views may give up what they hold with the token that is being forgotten', async () => {
  const signIn = await signedIn()
  const done = signIn.signOut()
  await api.release('a', 'id')
  await done
  expect(sent.at(-1)?.token).toBe('good')
})

test('an answer that comes after a sign-out signs nobody in', async () => {
  const signIn = await signedIn()
  const refreshed = signIn.refresh()
  await signIn.signOut()
  await refreshed
  expect(signIn.state).toBe('signed-out')
})

test('the page keeps what it shows when the same principal signs in again, and only then', async () => {
  const signIn = await signedIn()
  const { identity } = signIn
  principals = {
    rotated: { principal: 'api', rules: [] },
    foreign: { principal: 'other', rules: EVERYTHING },
  }
  const status = api.status('a')
  await vi.waitFor(() => expect(signIn.asking).toBe('ended'))
  expect(await signIn.signIn('rotated', false)).toBeNull()
  expect((await status).resource).toBe('a')
  expect([signIn.asking, signIn.identity]).toEqual([null, identity])
  expect(await signIn.signIn('foreign', false)).toBeNull()
  expect(signIn.identity).toBeGreaterThan(identity)
})

test('a server that starts to authenticate asks over the page', async () => {
  principals = { '': { principal: '', rules: EVERYTHING } }
  const signIn = useSignIn()
  await signIn.start()
  const { identity } = signIn
  principals = { good: { principal: 'api', rules: EVERYTHING } }
  const status = api.status('a')
  await vi.waitFor(() => expect(signIn.asking).toBe('required'))
  await signIn.signIn('good', false)
  expect((await status).resource).toBe('a')
  expect([signIn.state, signIn.identity]).toEqual(['signed-in', identity])
})

test('asking for another token can be stopped, asking again because one was refused can not', async () => {
  const signIn = await signedIn()
  signIn.askForOther()
  // Rights that are read meanwhile do not close the dialog.
  await signIn.refresh()
  expect(signIn.asking).toBe('other')
  signIn.stopAsking()
  expect(signIn.asking).toBeNull()
  principals = {}
  void api.status('a').catch(() => undefined)
  await vi.waitFor(() => expect(signIn.asking).toBe('ended'))
  signIn.stopAsking()
  expect(signIn.asking).toBe('ended')
})

test('a denial reads the rules again, once for many', async () => {
  const signIn = await signedIn()
  const { rules } = signIn
  principals['good'] = { principal: 'api', rules: [{ role: 'observe', prefix: 'orders/' }] }
  const answer = serve(({ path }) =>
    path === '/v1/whoami'
      ? [200, { expires_at: null, ...principals['good'] }]
      : problem(403, 'forbidden', { required: 'lock' }),
  )
  await Promise.allSettled([api.status('a'), api.status('b'), api.status('c')])
  await vi.waitFor(() => expect(signIn.rules).not.toBe(rules))
  expect(signIn.may('lock', 'orders/1')).toBe(false)
  expect(answer.filter(({ path }) => path === '/v1/whoami')).toHaveLength(1)
})

test('rules that are the same do not count as a change', async () => {
  const signIn = await signedIn()
  const { rules } = signIn
  await signIn.refresh()
  expect(signIn.rules).toBe(rules)
})

test('the operator is warned five minutes before the token expires', async () => {
  const now = Date.parse('2027-01-01T00:00:00Z')
  principals['good'] = { principal: 'api', rules: [], expires_at: new Date(now + 600_000).toISOString() }
  const signIn = await signedIn()
  const clock = useClock()
  clock.now = now
  expect([signIn.expiresIn, signIn.expiresSoon]).toEqual([600_000, false])
  clock.now = now + 300_001
  expect(signIn.expiresSoon).toBe(true)
})

test('a client certificate signs in without a token', async () => {
  principals = { '': { principal: 'browser', rules: EVERYTHING } }
  const signIn = useSignIn()
  await signIn.start()
  expect([signIn.state, signIn.principal, signIn.byToken]).toEqual(['signed-in', 'browser', false])
})
