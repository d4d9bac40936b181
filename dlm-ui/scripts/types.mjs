// Generates the wire types and limits from the server's OpenAPI document.
//
// node scripts/types.mjs [--check]
//   --check  write nothing; fail if the generated files are out of date
import { execFileSync } from 'node:child_process'
import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { resolve } from 'node:path'
import openapiTS, { astToString } from 'openapi-typescript'

const root = resolve(import.meta.dirname, '..')
const target = process.env.CARGO_TARGET_DIR ?? resolve(root, '../target')
const server = process.env.DLM_SERVER_BIN ?? resolve(target, 'debug/dlm-server')
const HEADER = '// Generated from the OpenAPI document of dlm-server by `npm run types`. Do not edit.\n\n'

/** One constant per entry of the document's `x-limits` extension. */
function limits(document) {
  return Object.entries(document['x-limits'])
    .map(([name, value]) => `export const ${name} = ${grouped(value)}\n`)
    .join('')
}

function grouped(value) {
  return String(value).replace(/\B(?=(\d{3})+$)/g, '_')
}

const document = JSON.parse(execFileSync(server, ['openapi'], { encoding: 'utf8' }))
const generated = {
  'src/api/schema.d.ts': HEADER + astToString(await openapiTS(document)),
  'src/api/limits.ts': HEADER + limits(document),
}

for (const [file, content] of Object.entries(generated)) {
  const path = resolve(root, file)
  if (!process.argv.includes('--check')) {
    writeFileSync(path, content)
  } else if (!existsSync(path) || readFileSync(path, 'utf8') !== content) {
    console.error(`${file} is out of date: run \`npm run types\``)
    process.exitCode = 1
  }
}
