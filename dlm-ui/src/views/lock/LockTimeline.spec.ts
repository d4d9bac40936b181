import { enableAutoUnmount } from '@vue/test-utils'
import { afterEach, expect, test } from 'vitest'
import { defineComponent, h, nextTick, ref } from 'vue'
import { held } from '../../state/testData'
import { useClock } from '../../stores/clock'
import { mountView } from '../testing'
import LockTimeline from './LockTimeline.vue'

enableAutoUnmount(afterEach)

test('the text alternative changes together with the clock', async () => {
  const status = held('job', 7)
  const since = Date.parse(status.holders[0]?.acquired_at ?? '')
  const history = {
    shown: ref({ events: [], start: null, until: null }),
    missing: ref(null),
    look: () => {},
  }
  const view = defineComponent(() => () => h(LockTimeline, { history, status }))
  const { wrapper } = await mountView(view, '/locks/job', () => (useClock().now = since + 20_000))
  const described = () => wrapper.get('ol').text()
  expect(described()).toContain('for 21 s, current holder')
  useClock().now = since + 22_000
  await nextTick()
  expect(described()).toContain('for 23 s, current holder')
})
