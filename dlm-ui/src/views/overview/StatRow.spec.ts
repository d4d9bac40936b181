import { mount, RouterLinkStub } from '@vue/test-utils'
import { createPinia } from 'pinia'
import { expect, test } from 'vitest'
import { overviewAt } from '../../state/testData'
import StatRow from './StatRow.vue'

const at = new Date().toISOString()

const overview = overviewAt(at, {
  waiting: 52,
  oldest_wait: { resource: 'db', owner: 'w', mode: 'exclusive', enqueued_at: at },
})

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
