// Prints the gzipped size of the initial load, and fails if it exceeds the limit.
import { readFileSync } from 'node:fs'
import { resolve } from 'node:path'
import { gzipSync } from 'node:zlib'

const LIMIT = 250_000
const dist = resolve(import.meta.dirname, '../dist')
const page = readFileSync(resolve(dist, 'index.html'), 'utf8')
const files = [...page.matchAll(/(?:src|href)="(\/assets\/[^"]+\.(?:js|css))"/g)].map((match) => match[1])
if (files.length === 0) {
  console.error('dist/index.html references no scripts: run `npm run build` first')
  process.exit(1)
}
let total = 0
for (const file of files) {
  const bytes = gzipSync(readFileSync(resolve(dist, `.${file}`))).length
  console.log(`${file} ${bytes} bytes gzipped`)
  total += bytes
}
console.log(`initial load: ${total} bytes of scripts and styles, gzipped (limit ${LIMIT})`)
if (total > LIMIT) process.exit(1)
