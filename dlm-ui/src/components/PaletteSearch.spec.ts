import { flushPromises } from '@vue/test-utils'
import { afterEach, expect, test, vi } from 'vitest'
import { serve } from '../api/testing'
import { held } from '../state/testData'
import { mountView } from '../views/testing'
import PaletteSearch from './PaletteSearch.vue'

let unmount = () => {}
afterEach(() => unmount())

async function foot(typed: string, holderCount: number) {
  const locks = [held('sh/many', 118, { mode: 'shared', holder_count: holderCount })]
  const owners = { at: '2026-01-01T00:00:00Z', complete: true, owners: [], next: null }
  serve(({ path }) => {
    if (path.startsWith('/v1/owners')) return [200, owners]
    return [200, { locks: /prefix|contains/.test(path) ? [] : locks, next: null, cursor: 'c' }]
  })
  const { wrapper } = await mountView(PaletteSearch, '/')
  unmount = () => wrapper.unmount()
  await wrapper.get('input').setValue(typed)
  const text = () => wrapper.get('.foot').text().replace(/\s+/g, ' ')
  if (typed !== '') await vi.waitFor(() => expect(text()).toContain('Nothing found.'))
  await flushPromises()
  return text()
}

test.each(['#119', 'k=v115'])(
  'if %s is not found, holders that were not searched are mentioned',
  async (typed) => {
    expect(await foot(typed, 120)).toBe(
      'Nothing found. Metadata and tokens are searched in the first 100 holders of each lock.',
    )
  },
)

test('if all holders were searched, nothing more is said', async () => {
  expect(await foot('#119', 1)).toMatch(/^Nothing found. ↑ ↓/)
})

test('before something is typed, only the keys are named', async () => {
  expect(await foot('', 120)).toMatch(/^↑ ↓/)
})
