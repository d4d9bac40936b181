import { mount, RouterLinkStub } from '@vue/test-utils'
import { createPinia } from 'pinia'
import { expect, test } from 'vitest'
import type { Overview } from '../../api/types'
import StatRow from './StatRow.vue'

const at = new Date().toISOString()

const overview: Overview = {
  at,
  held: 1,
  leases: 1,
  waiting: 52,
  oldest_wait: { resource: 'db', owner: 'w', mode: 'exclusive', enqueued_at: at },
  long_wait_count: 0,
  long_waits: [],
  wait_p50_ms: null,
  wait_p95_ms: null,
  expired: [],
  contended: [],
  seconds: [],
}

test('the age of those that wait now is beside the lengths of the waits that ended', () => {
  const wrapper = mount(StatRow, {
    props: { overview, grants: 0, expirations: 0 },
    global: { plugins: [createPinia()], stubs: { RouterLink: RouterLinkStub } },
  })
  const names = wrapper.findAll('dt').map((name) => name.text())
  expect(names.slice(names.indexOf('Oldest wait'))[1]).toBe('Wait p50 / p95')
  const percentiles = wrapper.findAll('.stats > div')[names.indexOf('Wait p50 / p95')]
  expect(percentiles?.text()).toContain('of grants, last minute')
})
