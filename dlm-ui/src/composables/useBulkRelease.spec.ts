import { expect, test } from 'vitest'
import { problem, serve, type SentRequest } from '../api/testing'
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
  serve(() => [200, { locks: rows, next: null, cursor: 'c' }])
  const { result, dispose } = inScope(() => useBulkRelease(() => true))
  await result.find({ prefix: '', owner: 'api', principal: 'team-a' })
  expect(result.targets.value.map(({ resource }) => resource)).toEqual(['team-a'])
  dispose()
})
