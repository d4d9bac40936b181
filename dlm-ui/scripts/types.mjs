// Generates the wire types, their validators and the limits from the server's OpenAPI document.
//
// node scripts/types.mjs [--check]
//   --check  write nothing; fail if the generated files are out of date
import { execFileSync } from 'node:child_process'
import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { resolve } from 'node:path'
import openapiTS, { astToString } from 'openapi-typescript'
import { format, resolveConfig } from 'prettier'

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

/** A valibot schema for each schema of the document. One that refers to another comes after it. */
function validators(document) {
  const { schemas } = document.components
  const names = []
  const add = (name) => {
    if (names.includes(name)) return
    for (const [, other] of JSON.stringify(schemas[name]).matchAll(/"#\/components\/schemas\/(\w+)"/g))
      add(other)
    names.push(name)
  }
  Object.keys(schemas).forEach(add)
  const lines = names.map((name) => `export const ${name} = ${validator(schemas[name])}\n`)
  return `import * as v from 'valibot'\n\n${lines.join('\n')}`
}

function validator(schema) {
  if (schema.$ref) return schema.$ref.split('/').at(-1)
  if (schema.oneOf) {
    const options = schema.oneOf.filter(({ type }) => type !== 'null').map(validator)
    const value = options.length === 1 ? options[0] : `v.union([${options.join(', ')}])`
    return options.length < schema.oneOf.length ? `v.nullable(${value})` : value
  }
  if (schema.allOf) return `v.intersect([${schema.allOf.map(validator).join(', ')}])`
  if (Array.isArray(schema.type)) {
    const [type] = schema.type.filter((name) => name !== 'null')
    return `v.nullable(${validator({ ...schema, type })})`
  }
  if (schema.enum) return `v.picklist(${JSON.stringify(schema.enum)})`
  switch (schema.type) {
    case 'string':
      return 'v.string()'
    case 'integer':
    case 'number':
      return 'v.number()'
    case 'boolean':
      return 'v.boolean()'
    case 'array':
      return `v.array(${validator(schema.items)})`
    case 'object':
      return schema.properties
        ? object(schema)
        : `v.record(v.string(), ${validator(schema.additionalProperties)})`
    default:
      throw new Error(`not supported: ${JSON.stringify(schema)}`)
  }
}

/** Fields that the page does not know are let through: a newer server may send them. */
function object({ properties, required = [] }) {
  const fields = Object.entries(properties).map(([name, schema]) => {
    const value = validator(schema)
    return `${name}: ${required.includes(name) ? value : `v.optional(${value})`}`
  })
  return `v.object({ ${fields.join(', ')} })`
}

function grouped(value) {
  return String(value).replace(/\B(?=(\d{3})+$)/g, '_')
}

async function formatted(source) {
  return format(source, { ...(await resolveConfig(resolve(root, 'package.json'))), parser: 'typescript' })
}

const document = JSON.parse(execFileSync(server, ['openapi'], { encoding: 'utf8' }))
const generated = {
  'src/api/schema.d.ts': HEADER + astToString(await openapiTS(document)),
  'src/api/limits.ts': HEADER + limits(document),
  'src/api/validators.ts': HEADER + (await formatted(validators(document))),
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
