// What the server says of the files of the page.
import { expect, test } from './fixtures'

test('files with a hash in their name are kept for good, the page itself is asked for again', async ({
  server,
}) => {
  const page = await fetch(`${server.url}/`)
  expect(page.headers.get('cache-control')).toBe('no-cache')
  const tag = page.headers.get('etag') ?? ''
  const text = await page.text()
  const again = await fetch(`${server.url}/locks`, { headers: { 'if-none-match': tag } })
  expect([again.status, await again.text()]).toEqual([304, ''])

  const files = [...text.matchAll(/(?:src|href)="(\/[^"]+)"/g)].map((match) => match[1] ?? '')
  expect(files).toContain('/icon.svg')
  for (const file of files) {
    const answer = await fetch(`${server.url}${file}`)
    expect(answer.status).toBe(200)
    expect(answer.headers.get('x-content-type-options')).toBe('nosniff')
    const hashed = file.startsWith('/assets/')
    expect(answer.headers.get('cache-control')).toBe(
      hashed ? 'public, max-age=31536000, immutable' : 'no-cache',
    )
    const types: Record<string, string> = {
      js: 'text/javascript; charset=utf-8',
      css: 'text/css; charset=utf-8',
      svg: 'image/svg+xml',
    }
    expect(answer.headers.get('content-type')).toBe(types[file.split('.').at(-1) ?? ''])
  }
  expect(text).not.toMatch(/<script(?![^>]*\ssrc=)|<style|style=|onload=/)
})
