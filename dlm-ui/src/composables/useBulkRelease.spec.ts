import { expect, test } from 'vitest'
import { problem, serve, type SentRequest } from '../api/testing'
import type { Holder, LockStatus, OwnedLease, OwnerDetails } from '../api/types'
import { held, row } from '../state/testData'
import { inScope } from './testing'
import { useBulkRelease } from './useBulkRelease'

const NAMES = ['jobs/1', 'jobs/2', 'jobs/3']
const page = (names: string[]): [number, unknown] => [
  200,
  { locks: names.map((name, index) => held(name, index + 1)), next: null, cursor: 'c' },
]
const released: [number, unknown] = [200, { current_token: 9, released: held('a', 1).holders[0] }]
const releases = (sent: SentRequest[]) => sent.filter(({ path }) => path.endsWith('/force-release'))
const body = ({ init }: SentRequest) =>
  JSON.parse(init.body as string) as { fencing_token: number; reason: string }

/** A server with these locks, and an owner or a principal with these leases. */
function serveOwner(locks: LockStatus[], part: Partial<OwnerDetails>) {
  const holds = part.holds ?? []
  const counts = { hold_count: holds.length, wait_count: 0, blocked: 0, owner_count: 0 }
  const of = { at: '', complete: true, owner: '', principal: '', owners: [], waits: [], ...counts, ...part }
  return serve(({ path }) => [200, path.startsWith('/v1/locks') ? { locks, next: null, cursor: 'c' } : of])
}

function owned(resource: string, token: number, part: Partial<OwnedLease>): OwnedLease {
  const [acquired_at, expires_at] = ['2099-01-01T00:00:00.000Z', '2099-01-01T00:00:30.000Z']
  return {
    resource,
    fencing_token: token,
    mode: 'shared',
    owner: '',
    acquired_at,
    expires_at,
    blocked: 0,
    ...part,
  }
}

test('a dry run releases nothing and leaves out what the operator may not release', async () => {
  const sent = serve(() => page([...NAMES, 'other']))
  const { result, dispose } = inScope(() => useBulkRelease((name) => name.startsWith('jobs/')))
  await result.find({ prefix: '', owner: null })
  expect(result.targets.value.map(({ resource }) => resource)).toEqual(NAMES)
  expect(result.notAllowed.value).toBe(1)
  expect(releases(sent)).toEqual([])
  dispose()
})

test('each lease is released by its token with the one reason, and its outcome told', async () => {
  const sent = serve(({ path }) => {
    if (path.includes('jobs%2F2')) return problem(409, 'holder-changed', { holders: [] })
    if (path.includes('jobs%2F3')) return problem(500, 'internal')
    return path.endsWith('/force-release') ? released : page(NAMES)
  })
  const { result, dispose } = inScope(() => useBulkRelease(() => true))
  await result.find({ prefix: '', owner: null })
  await result.release(result.targets.value, 'host is gone')
  expect(releases(sent).map(body)).toEqual(
    [1, 2, 3].map((token) => ({ fencing_token: token, reason: 'host is gone' })),
  )
  expect([...result.outcomes.value.values()]).toEqual(['released', 'changed', 'unknown'])
  expect(result.counts.value).toMatchObject({ released: 1, changed: 1, unknown: 1 })
  dispose()
})

test('after a stop nothing more is sent, and what was not sent has no outcome', async () => {
  const names = Array.from({ length: 20 }, (_, index) => `jobs/${index}`)
  const sent = serve(({ path }) => (path.endsWith('/force-release') ? released : page(names)))
  const { result, dispose } = inScope(() => useBulkRelease(() => true))
  await result.find({ prefix: '', owner: null })
  const done = result.release(result.targets.value, 'r')
  result.stop()
  await done
  expect(releases(sent)).toHaveLength(4)
  expect(result.counts.value).toMatchObject({ released: 4, waiting: 0, sending: 0 })
  expect(result.running.value).toBe(false)
  dispose()
})

test('another search stops what is still released', async () => {
  const names = Array.from({ length: 20 }, (_, index) => `jobs/${index}`)
  const sent = serve(({ path }) => (path.endsWith('/force-release') ? released : page(names)))
  const { result, dispose } = inScope(() => useBulkRelease(() => true))
  await result.find({ prefix: '', owner: null })
  const done = result.release(result.targets.value, 'r')
  await result.find({ prefix: 'jobs/1', owner: null })
  await done
  expect(releases(sent)).toHaveLength(4)
  expect(result.outcomes.value.size).toBe(0)
  expect(result.running.value).toBe(false)
  dispose()
})

test('of a selection exactly these locks are found, and those that are free are counted', async () => {
  const sent = serve(({ path }) => {
    const name = decodeURIComponent(path.replace('/v1/locks/', ''))
    return [200, name === 'jobs/2' ? row({ resource: name }) : held(name, 7)]
  })
  const { result, dispose } = inScope(() => useBulkRelease((name) => name !== 'other'))
  await result.find({ names: [...NAMES, 'other'] })
  expect(sent.map(({ path }) => path)).toEqual(NAMES.map((name) => `/v1/locks/${encodeURIComponent(name)}`))
  expect(result.targets.value.map(({ resource, token }) => [resource, token])).toEqual([
    ['jobs/1', 7],
    ['jobs/3', 7],
  ])
  expect([result.notHeld.value, result.notAllowed.value, result.truncated.value]).toEqual([1, 1, false])
  dispose()
})

test('leases of other principals with the same owner are no targets', async () => {
  const rows = ['team-a', 'team-b'].map((principal, index) => {
    const status = held(principal, index + 1)
    return { ...status, holders: status.holders.map((holder) => ({ ...holder, owner: 'api', principal })) }
  })
  const sent = serveOwner(rows, {
    owner: 'api',
    holds: [owned('team-a', 1, { owner: 'api', principal: 'team-a' })],
  })
  const { result, dispose } = inScope(() => useBulkRelease(() => true))
  await result.find({ prefix: '', owner: 'api', principal: 'team-a' })
  expect(result.targets.value.map(({ resource }) => resource)).toEqual(['team-a'])
  expect(sent.map(({ path }) => path)).toContain('/v1/owners/api?principal=team-a')
  dispose()
})

/** A lock of 120 readers, of which a row lists 100. */
const many = (): LockStatus => {
  const [holder] = held('sh/many', 1).holders
  const reader = (token: number): Holder => ({
    ...(holder as Holder),
    mode: 'shared',
    owner: `reader-${token}`,
    fencing_token: token,
  })
  const holders = Array.from({ length: 100 }, (_, index) => reader(index + 1))
  return held('sh/many', 120, { mode: 'shared', holders, holder_count: 120, queue_len: 3 })
}

test('a lease of an owner is found past the holders that a row lists', async () => {
  serveOwner([many()], { owner: 'reader-115', holds: [owned('sh/many', 115, { owner: 'reader-115' })] })
  const { result, dispose } = inScope(() => useBulkRelease(() => true))
  await result.find({ prefix: '', owner: 'reader-115' })
  expect(result.targets.value).toMatchObject([
    { resource: 'sh/many', owner: 'reader-115', token: 115, queueLen: 3 },
  ])
  expect([result.unlisted.value, result.truncated.value]).toEqual([0, false])
  dispose()
})

test('a lease that both answers have is one target, and the prefix applies to both', async () => {
  const holds = ['jobs/1', 'other/1'].map((name) => owned(name, 1, { owner: 'one' }))
  serveOwner([held('jobs/1', 1)], { owner: 'one', holds })
  const { result, dispose } = inScope(() => useBulkRelease(() => true))
  await result.find({ prefix: 'jobs/', owner: 'one' })
  expect(result.targets.value.map(({ resource }) => resource)).toEqual(['jobs/1'])
  dispose()
})

test('a lease that ended after the leases of its owner were read is no target', async () => {
  // The server keeps these for a moment, and the list shows that they have ended.
  const holds = ['jobs/1', 'jobs/2'].map((name) => owned(name, 1, { owner: 'one' }))
  serveOwner([held('jobs/1', 2)], { owner: 'one', holds })
  const { result, dispose } = inScope(() => useBulkRelease(() => true))
  await result.find({ prefix: '', owner: 'one' })
  expect(result.targets.value.map(({ resource, token }) => [resource, token])).toEqual([['jobs/1', 2]])
  dispose()
})

test('if not all leases of an owner were read, what is not listed is counted', async () => {
  const holds = [owned('sh/many', 115, { owner: 'reader-115' })]
  serveOwner([many()], { owner: 'reader-115', holds, complete: false })
  const { result, dispose } = inScope(() => useBulkRelease(() => true))
  await result.find({ prefix: '', owner: 'reader-115' })
  expect(result.targets.value).toHaveLength(1)
  expect(result.unlisted.value).toBe(19)
  dispose()
})

test.each(['.', '..'])('the owner %s, which has no address, is not taken for another one', async (owner) => {
  const sent = serveOwner([held('a', 1)], { owner: '', holds: [owned('b', 2, { owner: '' })] })
  const { result, dispose } = inScope(() => useBulkRelease(() => true))
  await result.find({ prefix: '', owner })
  expect(sent.every(({ path }) => path.startsWith('/v1/locks?'))).toBe(true)
  expect(result.targets.value).toEqual([])
  dispose()
})
