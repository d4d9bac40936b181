// Says how large the first load is, compressed, and fails when it grew too large.
import { readFileSync } from 'node:fs'
import { resolve } from 'node:path'
import { gzipSync } from 'node:zlib'

const LIMIT = 250_000
const dist = resolve(import.meta.dirname, '../dist')
const page = readFileSync(resolve(dist, 'index.html'), 'utf8')
const files = [...page.matchAll(/(?:src|href)="(\/assets\/[^"]+\.(?:js|css))"/g)].map((match) => match[1])
if (files.length === 0) {
  console.error('dist/index.html names no script')
  process.exit(1)
}
let total = 0
for (const file of files) {
  const bytes = gzipSync(readFileSync(resolve(dist, `.${file}`))).length
  console.log(`${file} ${bytes} bytes gzipped`)
  total += bytes
}
console.log(`first load: ${total} bytes of script and style, gzipped; the limit is ${LIMIT}`)
if (total > LIMIT) process.exit(1)
