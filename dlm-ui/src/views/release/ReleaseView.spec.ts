import { afterEach, expect, test, vi } from 'vitest'
import { serve } from '../../api/testing'
import type { LockPage, OwnedLease, OwnerDetails } from '../../api/types'
import { held } from '../../state/testData'
import { mountView } from '../testing'
import ReleaseView from './ReleaseView.vue'

let unmount = () => {}

/** A lock of 120 readers, of which its row lists one. */
const many = held('sh/many', 120, { mode: 'shared', holder_count: 120 })

function serveOwner(owner: Partial<OwnerDetails>, page: Partial<LockPage> = {}): void {
  const counts = { hold_count: owner.holds?.length ?? 0, wait_count: 0, blocked: 0 }
  const details = { at: '', complete: true, owner: 'reader-115', holds: [], waits: [], ...counts, ...owner }
  serve(({ path }) => [
    200,
    path.startsWith('/v1/owners/') ? details : { locks: [many], next: null, cursor: 'c', ...page },
  ])
}

async function text(path: string): Promise<string> {
  const { wrapper } = await mountView(ReleaseView, path)
  unmount = () => wrapper.unmount()
  await vi.waitFor(() => expect(wrapper.text()).toMatch(/chosen|No lease/))
  return wrapper.text().replace(/\s+/g, ' ')
}

afterEach(() => unmount())

test('a lease that its row does not list is offered', async () => {
  const lease: OwnedLease = {
    resource: 'sh/many',
    fencing_token: 115,
    mode: 'shared',
    owner: 'reader-115',
    acquired_at: '2099-01-01T00:00:00.000Z',
    expires_at: '2099-01-01T00:00:30.000Z',
    blocked: 0,
  }
  serveOwner({ holds: [lease] })
  const shown = await text('/release?owner=reader-115')
  expect(shown).toContain('1 of 1 lease is chosen')
  expect(shown).not.toContain('not listed')
})

test('an owner that holds nothing has no lease that matches', async () => {
  serveOwner({})
  const shown = await text('/release?owner=reader-115')
  expect(shown).toContain('No lease matches')
  expect(shown).not.toContain('not listed')
})

test('if nothing was found, holders that are not listed are counted', async () => {
  serveOwner({ complete: false })
  const shown = await text('/release?owner=reader-115')
  expect(shown).toContain('No lease found')
  expect(shown).toContain('119 holders of shared locks are not listed')
})

test('if nothing was found in a part of the locks, that is said', async () => {
  serveOwner({ complete: false }, { locks: [held('a', 1)], next: 'a' })
  const shown = await text('/release?owner=reader-115')
  expect(shown).toContain('No lease found')
  expect(shown).toContain('Not all locks were searched')
})
