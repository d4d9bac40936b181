import { beforeEach, expect, test, vi } from 'vitest'
import { Credential } from './credential'

let credential: Credential
const refused = vi.fn()
const forbidden = vi.fn()

beforeEach(() => {
  refused.mockReset()
  credential = new Credential()
  credential.handleDenials({ refused, forbidden })
  credential.replace('first', { samePrincipal: true })
})

test('requests wait until the same principal has signed in again, and are then repeated', async () => {
  const repeats = [1, 2, 3].map(() => credential.refused('first', 0))
  expect(refused).toHaveBeenCalledTimes(1)
  credential.replace('second', { samePrincipal: true })
  expect(await Promise.all(repeats)).toEqual([true, true, true])
})

test('no request is repeated for another principal, or after a sign-out', async () => {
  const beforeOther = credential.refused('first', 0)
  credential.replace('other', { samePrincipal: false })
  expect(await beforeOther).toBe(false)
  const beforeSignOut = credential.refused('other', 1)
  credential.replace(null, { samePrincipal: false })
  expect(await beforeSignOut).toBe(false)
  // A reply that comes late.
  expect(await credential.refused('first', 0)).toBe(false)
  expect(refused).toHaveBeenCalledTimes(2)
})

test('a request that was refused with an older token is repeated without asking', async () => {
  credential.replace('second', { samePrincipal: true })
  expect(await credential.refused('first', 0)).toBe(true)
  expect(refused).not.toHaveBeenCalled()
})

test('new requests wait while a token is being asked for', async () => {
  void credential.refused('first', 0)
  const started = vi.fn()
  void credential.ready().then(started)
  await Promise.resolve()
  expect(started).not.toHaveBeenCalled()
  credential.replace('second', { samePrincipal: true })
  await vi.waitFor(() => expect(started).toHaveBeenCalled())
  expect(credential.asking).toBe(false)
})

test('an aborted request stops waiting', async () => {
  const controller = new AbortController()
  const repeat = credential.refused('first', 0, controller.signal)
  controller.abort(new Error('gone'))
  await expect(repeat).rejects.toThrow('gone')
  await expect(credential.ready(controller.signal)).rejects.toThrow('gone')
})

test('the token is asked for again if the next one is refused too', async () => {
  const repeat = credential.refused('first', 0)
  credential.replace('second', { samePrincipal: true })
  await repeat
  void credential.refused('second', 0)
  expect(refused).toHaveBeenCalledTimes(2)
})

test('without a handler a refusal is final', async () => {
  expect(await new Credential().refused(null, 0)).toBe(false)
})
