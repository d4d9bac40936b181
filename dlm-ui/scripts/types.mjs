// Makes the types of the wire from the server's own description of it.
//
// node scripts/types.mjs [--check]
//   --check  only say whether the types are those of the server
import { execFileSync } from 'node:child_process'
import { readFileSync, writeFileSync } from 'node:fs'
import { resolve } from 'node:path'
import openapiTS, { astToString } from 'openapi-typescript'

const folder = resolve(import.meta.dirname, '..')
const target = process.env.CARGO_TARGET_DIR ?? resolve(folder, '../target')
const server = process.env.DLM_SERVER_BIN ?? resolve(target, 'debug/dlm-server')
const file = resolve(folder, 'src/api/schema.d.ts')

const document = JSON.parse(execFileSync(server, ['openapi'], { encoding: 'utf8' }))
const types =
  '// Made from the OpenAPI of dlm-server by `npm run types`.\n\n' + astToString(await openapiTS(document))
if (!process.argv.includes('--check')) {
  writeFileSync(file, types)
} else if (readFileSync(file, 'utf8') !== types) {
  console.error('src/api/schema.d.ts is not what the server speaks: run `npm run types`')
  process.exit(1)
}
