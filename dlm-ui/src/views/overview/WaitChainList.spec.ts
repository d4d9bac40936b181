import { mount, RouterLinkStub } from '@vue/test-utils'
import { createPinia } from 'pinia'
import { expect, test } from 'vitest'
import type { ChainLink, WaitChain } from '../../state/waitChains'
import WaitChainList from './WaitChainList.vue'

function link(owner: string, resource: string): ChainLink {
  return { owner, resource, fencingToken: 1, waiting: 1, blocked: 1 }
}

function text(part: Partial<WaitChain>, at?: string): string {
  const links = [link('Y', 'l2'), link('R', 'r')]
  const chain: WaitChain = { kind: 'chain', links, blocked: 4, since: null, branches: 0, ...part }
  const wrapper = mount(WaitChainList, {
    props: { chains: [chain], complete: true, ...(at === undefined ? {} : { at }) },
    global: { plugins: [createPinia()], stubs: { RouterLink: RouterLinkStub } },
  })
  return wrapper.get('li').text().replace(/\s+/g, ' ')
}

test('a chain says how many other branches lead to its last lock', () => {
  expect(text({})).toMatch(/R, holding r – 4 wait behind it$/)
  expect(text({ branches: 1 })).toMatch(/R, holding r – 4 wait behind it, in this and 1 more branch$/)
  expect(text({ branches: 3 }, '2026-01-01T00:00:00.000Z')).toMatch(
    /– 4 waited behind it, in this and 3 more branches$/,
  )
})
