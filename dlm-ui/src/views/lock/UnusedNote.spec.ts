import { mount, RouterLinkStub } from '@vue/test-utils'
import { createPinia, setActivePinia } from 'pinia'
import { afterEach, expect, test, vi } from 'vitest'
import { serve } from '../../api/testing'
import { row } from '../../state/testData'
import UnusedNote from './UnusedNote.vue'

let unmount = () => {}
afterEach(() => unmount())

/** A server with these names; a search looks at this many of them a request, and a list has the first. */
function serveNames(names: readonly string[], perRequest = 1_000) {
  return serve(({ path }) => {
    const {
      prefix = '',
      contains = '',
      after = '',
    } = Object.fromEntries(new URL(path, 'http://a').searchParams)
    const rest = names.filter((name) => name > after && name.startsWith(prefix))
    const page = rest.slice(0, perRequest)
    const locks = page.filter((name) => name.includes(contains)).map((resource) => row({ resource }))
    return [200, { locks, next: page.length < rest.length ? page.at(-1) : null, cursor: 'c' }]
  })
}

function setup(name: string) {
  const pinia = createPinia()
  setActivePinia(pinia)
  const wrapper = mount(UnusedNote, {
    props: { name, version: 0 },
    global: { plugins: [pinia], stubs: { RouterLink: RouterLinkStub } },
  })
  unmount = () => wrapper.unmount()
  return { similar: () => wrapper.findAll('.code').map((link) => link.text()) }
}

const many = Array.from({ length: 1_300 }, (_, index) => `aa/${String(index).padStart(4, '0')}`)

test('a similar name behind the first pages is found by its last segment', async () => {
  serveNames([...many, 'zz/slow'])
  const { similar } = setup('zy/slow')
  await vi.waitFor(() => expect(similar()).toEqual(['zz/slow']))
})

test('a similar name is found by its last segment but one', async () => {
  serveNames([...many, 'zz/slow/10'])
  const { similar } = setup('zy/slow/11')
  await vi.waitFor(() => expect(similar()).toEqual(['zz/slow/10']))
})

test('a search ends after a few requests, however many names there are', async () => {
  const sent = serveNames([...many, 'zz/slow'], 10)
  const { similar } = setup('zy/slow')
  await vi.waitFor(() => expect(sent).toHaveLength(7))
  await new Promise((resolve) => setTimeout(resolve, 50))
  expect(sent.filter(({ path }) => path.includes('contains=slow'))).toHaveLength(5)
  expect(similar()).toEqual([])
})
