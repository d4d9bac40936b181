// HTTP headers and caching of the embedded UI files.
import { expect, test } from './fixtures'

test('hashed files are cached forever and the page is revalidated', async ({ server }) => {
  const page = await fetch(`${server.url}/`)
  expect(page.headers.get('cache-control')).toBe('no-cache')
  const tag = page.headers.get('etag') ?? ''
  const text = await page.text()
  const revalidated = await fetch(`${server.url}/locks`, { headers: { 'if-none-match': tag } })
  expect([revalidated.status, await revalidated.text()]).toEqual([304, ''])

  const files = [...text.matchAll(/(?:src|href)="(\/[^"]+)"/g)].map((match) => match[1] ?? '')
  expect(files).toContain('/icon.svg')
  for (const file of files) {
    const response = await fetch(`${server.url}${file}`)
    expect(response.status).toBe(200)
    expect(response.headers.get('x-content-type-options')).toBe('nosniff')
    const hashed = file.startsWith('/assets/')
    expect(response.headers.get('cache-control')).toBe(
      hashed ? 'public, max-age=31536000, immutable' : 'no-cache',
    )
    const types: Record<string, string> = {
      js: 'text/javascript; charset=utf-8',
      css: 'text/css; charset=utf-8',
      svg: 'image/svg+xml',
    }
    expect(response.headers.get('content-type')).toBe(types[file.split('.').at(-1) ?? ''])
  }
  expect(text).not.toMatch(/<script(?![^>]*\ssrc=)|<style|style=|onload=/)
})
