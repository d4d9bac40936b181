import { expect, test } from 'vitest'
import type { Explanation, Holder } from '../api/types'
import { event, granted, held, row } from '../state/testData'
import { code, incidentMarkdown } from './incident'

const NOW = Date.parse('2099-01-01T00:01:00.000Z')
const hold = { samples: 5, p50_ms: 1_000, p95_ms: 2_000, max_ms: 3_000, recent_ms: [], since: '' }
const base = {
  name: 'job',
  link: 'http://dlm/locks/job',
  status: held('job', 7),
  explanation: { hold } as unknown as Explanation,
  events: [granted(1, 7, { at: '2099-01-01T00:00:00.000Z', waited_ms: 250 })],
  now: NOW,
  zone: 'utc' as const,
}

test('an incident has the holder, the usual hold and the timeline', () => {
  const text = incidentMarkdown(base)
  expect(text).toContain('# Lock `job`')
  expect(text).toContain('- `one`, token 7, exclusive, for 1 min, since 2099-01-01 00:00:00.000 UTC')
  expect(text).toContain('p50 1.0 s, p95 2.0 s, longest 3.0 s (5 holds); now 60 × the usual')
  expect(text).toContain('- 2099-01-01 00:00:00.000 UTC granted `one`, exclusive, token 7, waited 250 ms')
})

test('an incident tells which holder was asked to let go', () => {
  const [holder] = base.status.holders as [Holder]
  const request = {
    reason: 'deploy *now*',
    requested_by: 'ops',
    requested_at: '2099-01-01T00:00:30.000Z',
    deadline: '2099-01-01T00:02:00.000Z',
    force: true,
  }
  const asked = (force: boolean) => {
    const holders = [{ ...holder, release_requested: { ...request, force } }]
    return incidentMarkdown({ ...base, status: { ...base.status, holders } })
  }
  expect(asked(true)).toContain(
    '; asked to release by `ops`, force-released at 2099-01-01 00:02:00.000 UTC: `deploy *now*`',
  )
  expect(asked(false)).toContain('by `ops`, until 2099-01-01 00:02:00.000 UTC')
})

test('a free lock without history says so', () => {
  const text = incidentMarkdown({ ...base, status: row({ resource: 'job' }), events: [], explanation: null })
  expect(text).toMatch(/free, 0 waiting/)
  expect(text.match(/- none/g)).toHaveLength(2)
  expect(text).toContain('- no event in the log')
})

test('the reason of a force-release is told, as text', () => {
  const events = [
    event('force_released', 2, { fencing_token: 7, reason: '![x](http://evil)\n# no', by: 'ops' }),
  ]
  const text = incidentMarkdown({ ...base, events })
  expect(text).toContain('force released `one`, exclusive, token 7 by `ops`: `![x](http://evil) # no`')
})

test('nothing in a name is markup', () => {
  expect(code('<b>*x*</b>')).toBe('`<b>*x*</b>`')
  expect(code('a`b``c')).toBe('```a`b``c```')
  expect(code('`')).toBe('`` ` ``')
})

test('what does not show in a name is named', () => {
  expect(code('or\u200bders')).toBe('`or\u200bders` (with U+200B)')
})
