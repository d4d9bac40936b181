import { expect, test } from 'vitest'
import { createMemoryHistory, createRouter } from 'vue-router'
import { router as pages } from '../router'
import { ownerRoute, principalRoute } from './ownerRoute'

/** The owner that the page at the address is about. */
function ownerAt(owner: string, principal?: string): { path: string; owner: unknown; principal: unknown } {
  const router = createRouter({ history: createMemoryHistory(), routes: pages.options.routes })
  const to = ownerRoute(owner, principal)
  if (to === null) throw new Error('no address')
  // As a browser reads it, when the link is opened in another tab.
  const { pathname, search } = new URL(router.resolve(to).href, 'http://127.0.0.1')
  const found = router.resolve(pathname + search)
  expect(found.name).toBe('owner')
  return { path: pathname, owner: found.params['owner'] ?? '', principal: found.query['principal'] }
}

test.each(['api-7', 'a/b', 'deploy@host', '%2F', '?x=1#y', 'a b', 'ü', '...', '<b>'])(
  'the address of %s leads to its page',
  (owner) => {
    expect(ownerAt(owner).owner).toBe(owner)
  },
)

test('the owner without a name has a page of its own', () => {
  expect(ownerAt('').path).toBe('/owners/')
  expect(ownerAt('').owner).toBe('')
})

test('the list of owners is not the page of the owner without a name', () => {
  const router = createRouter({ history: createMemoryHistory(), routes: pages.options.routes })
  expect(router.resolve('/owners').name).toBe('owners')
})

test('a principal is a part of the address', () => {
  expect(ownerAt('api-7', 'api').principal).toBe('api')
})

test('an owner that a browser takes for a step in the path has no address', () => {
  expect(ownerRoute('.')).toBeNull()
  expect(ownerRoute('..')).toBeNull()
})

test.each(['api', 'spiffe://example.org/api', 'a%2Fb', 'a?b#c', '...'])(
  'the address of the principal %s leads to its page',
  (principal) => {
    const router = createRouter({ history: createMemoryHistory(), routes: pages.options.routes })
    const to = principalRoute(principal)
    if (to === null) throw new Error('no address')
    const { pathname } = new URL(router.resolve(to).href, 'http://127.0.0.1')
    expect(router.resolve(pathname)).toMatchObject({ name: 'principal', params: { principal } })
  },
)

test('the principal without a name has no page', () => {
  const router = createRouter({ history: createMemoryHistory(), routes: pages.options.routes })
  expect(router.resolve('/principals/').name).toBe('not-found')
  expect(principalRoute('..')).toBeNull()
})
