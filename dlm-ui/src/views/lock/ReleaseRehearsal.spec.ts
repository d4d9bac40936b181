import { mount } from '@vue/test-utils'
import { createPinia } from 'pinia'
import { expect, test } from 'vitest'
import type { Explanation, Holder } from '../../api/types'
import { held } from '../../state/testData'
import ReleaseRehearsal from './ReleaseRehearsal.vue'

const status = held('a', 7)
const [target] = status.holders as [Holder]

/** What is said of the checks of the token 7, if the server explains these holders. */
function checks(holders: Explanation['holders'] | null): string | null {
  const explanation: Explanation | null = holders && {
    at: '2027-01-01T00:00:10.000Z',
    resource: 'a',
    holders,
    holder_count: 1,
    queue_len: 0,
    next: [],
    hold: null,
    estimated_release_in_ms: null,
    waiter: null,
  }
  const wrapper = mount(ReleaseRehearsal, {
    props: { target, status, explanation },
    global: { plugins: [createPinia()] },
  })
  const found = wrapper.find('[data-testid=checks]')
  return found.exists() ? found.text() : null
}

function holder(fencing_token: number, checked_at?: string): Explanation['holders'][number] {
  const { mode, owner, acquired_at, expires_at } = target
  return {
    mode,
    owner,
    acquired_at,
    expires_at,
    fencing_token,
    waits_for: null,
    ...(checked_at && { checked_at }),
  }
}

test('a token that was checked protects what is locked from the holder', () => {
  expect(checks([holder(6), holder(7, '2027-01-01T00:00:07.000Z')])).toMatch(
    /^last checked .+ ago: .+ refuses/,
  )
})

test('without a known check the holder may go on', () => {
  expect(checks([holder(6, '2027-01-01T00:00:07.000Z'), holder(7)])).toContain('none known to this server')
})

test('nothing is said of checks before the server has explained the holder', () => {
  expect(checks(null)).toBeNull()
  expect(checks([holder(6)])).toBeNull()
})
