// Zoom and text of twice the size: nothing overlaps, nothing is cut off, and nothing has to be scrolled to sideways.
import type { Locator, Page } from '@playwright/test'
import { expect, open, test } from './fixtures'
import type { TestServer } from './server'

const NAME = 'billing/invoices/2026-11'

async function populate(server: TestServer): Promise<void> {
  await server.lock(NAME, { owner: 'billing-worker-3', metadata: { host: 'worker-3.internal' } })
  await server.wait(NAME, 'billing-worker-5')
  await server.wait(NAME, 'billing-worker-6')
  await server.lock('orders/42', { owner: 'billing-worker-5', mode: 'shared' })
  await server.lock('lost', { owner: 'crashed', ttl_ms: 100 })
}

/** Each view, and what is last to be shown on it. */
const VIEWS: Record<string, (page: Page) => Locator> = {
  '/': (page) => page.getByRole('region', { name: 'Contended locks' }).getByText('billing-worker-3'),
  '/locks': (page) => page.getByRole('row').nth(1),
  '/locks?group=1': (page) => page.getByRole('cell').getByText('billing/'),
  [`/locks/${encodeURIComponent(NAME)}`]: (page) => page.getByTestId('blocked-by'),
  '/events': (page) => page.getByTestId('event').getByText('lost'),
  '/owners': (page) => page.getByTestId('owner').getByText('billing-worker-6'),
  '/owners/billing-worker-5': (page) => page.getByRole('region', { name: 'History' }).getByText('granted'),
  '/playground': (page) => page.getByTestId('client-b'),
}

/** Resolves once what has just been measured is drawn, too. */
function drawn(page: Page): Promise<void> {
  return page.evaluate(async () => {
    await document.fonts.ready
    for (let frame = 0; frame < 3; frame += 1) await new Promise((resolve) => requestAnimationFrame(resolve))
  })
}

/** What is wrong with how the page is laid out: texts over each other, and texts that are cut off. */
function faults(page: Page): Promise<string[]> {
  return page.evaluate(() => {
    interface Text {
      text: string
      element: Element
      box: DOMRect
    }
    const found: string[] = []
    const texts: Text[] = []
    const hidden = (element: Element) =>
      element.closest('.visually-hidden, .skip, [aria-hidden=true], option, select, pre, .cards thead') !==
      null
    const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT)
    for (let node = walker.nextNode(); node; node = walker.nextNode()) {
      const element = node.parentElement
      const text = node.textContent?.trim() ?? ''
      if (!element || text === '' || hidden(element)) continue
      const range = document.createRange()
      range.selectNodeContents(node)
      for (const box of range.getClientRects()) if (box.width > 1) texts.push({ text, element, box })
    }
    const clips = (element: Element) => {
      const { overflowX, overflowY, textOverflow } = getComputedStyle(element)
      // What ends with an ellipsis has its full text in a tooltip.
      return textOverflow !== 'ellipsis' && [overflowX, overflowY].some((way) => /hidden|clip/.test(way))
    }
    const scrolls = (element: Element) => /auto|scroll/.test(getComputedStyle(element).overflowY)
    const visible = ({ element, box }: Text) => {
      for (let outer = element.parentElement; outer; outer = outer.parentElement) {
        const frame = outer.getBoundingClientRect()
        const { textOverflow } = getComputedStyle(outer)
        if (textOverflow === 'ellipsis' && box.right > frame.right + 1) return false
        if (scrolls(outer) && (box.bottom > frame.bottom || box.top < frame.top)) return false
      }
      return true
    }
    const shown = texts.filter(visible)
    for (const { text, element, box } of shown) {
      for (
        let outer: Element | null = element;
        outer && outer !== document.body;
        outer = outer.parentElement
      ) {
        if (!clips(outer)) continue
        const frame = outer.getBoundingClientRect()
        const inside =
          box.left >= frame.left - 1 &&
          box.right <= frame.right + 1 &&
          box.top >= frame.top - 2 &&
          box.bottom <= frame.bottom + 2
        if (!inside) found.push(`cut off: ${text}`)
      }
      if (box.right > document.documentElement.clientWidth + 1) found.push(`beyond the edge: ${text}`)
    }
    const header = document.querySelector('.app-header')
    const inHeader = ({ element }: Text) => header?.contains(element) ?? false
    for (const [index, a] of shown.entries()) {
      for (const b of shown.slice(index + 1)) {
        // Of a text with an ellipsis there are two boxes.
        if (inHeader(a) !== inHeader(b) || a.element === b.element) continue
        const width = Math.min(a.box.right, b.box.right) - Math.max(a.box.left, b.box.left)
        const height = Math.min(a.box.bottom, b.box.bottom) - Math.max(a.box.top, b.box.top)
        // Line boxes touch.
        if (width > 2 && height > 0.35 * Math.min(a.box.height, b.box.height))
          found.push(`over each other: ${a.text} | ${b.text}`)
      }
    }
    const { scrollWidth, clientWidth } = document.documentElement
    if (scrollWidth > clientWidth) found.push(`the page is ${scrollWidth - clientWidth} px too wide`)
    for (const region of document.querySelectorAll('.scroll-x, [role=grid]'))
      if (region.scrollWidth > region.clientWidth + 1)
        found.push(
          `${region.getAttribute('aria-label')} is ${region.scrollWidth - region.clientWidth} px too wide`,
        )
    return [...new Set(found)]
  })
}

for (const [name, width, size] of [
  ['a page zoomed to 200 %', 640, '100%'],
  ['text of twice the size', 1280, '200%'],
  ['a page 360 px wide', 360, '100%'],
] as const) {
  test(`${name} overlaps nothing, cuts nothing off and does not scroll sideways`, async ({
    page,
    server,
  }) => {
    await populate(server)
    await page.setViewportSize({ width, height: 800 })
    await page.addInitScript((size) => {
      document.addEventListener('DOMContentLoaded', () => (document.documentElement.style.fontSize = size))
    }, size)
    const all: Record<string, string[]> = {}
    for (const [path, last] of Object.entries(VIEWS)) {
      await open(page, server, path)
      await expect(last(page).first()).toBeVisible()
      await expect(page.getByText('Loading…', { exact: true })).toHaveCount(0)
      await drawn(page)
      all[path] = await faults(page)
    }
    expect(all).toEqual(Object.fromEntries(Object.keys(VIEWS).map((path) => [path, []])))
  })
}
