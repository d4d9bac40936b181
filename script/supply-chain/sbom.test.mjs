// Tests of the bill of materials, against the lock files and cargo's own tree.

import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { test } from 'node:test'

import { checksums, crateNames } from './crates.mjs'
import { billOfMaterials } from './sbom.mjs'

const bill = billOfMaterials()
const top = [bill.metadata.component, ...bill.components]
const all = top.flatMap((component) => [component, ...(component.components ?? [])])
const named = (kind) => top.filter((component) => component.purl.startsWith(`pkg:${kind}/`))
const text = ({ name, version }) => `${name} ${version}`

test('every crate of the binary is in it once, and no other but linked sources', () => {
  const expected = [...crateNames('normal')].sort()
  assert.ok(expected.length > 100 && expected.includes(text(bill.metadata.component)))
  const crates = named('cargo').map(text).sort()
  const added = crates.filter((crate) => !expected.includes(crate))
  assert.deepEqual(
    crates.filter((crate) => !added.includes(crate)),
    expected,
  )
  assert.match(added.join(), /^openssl-src [^,]+$/)
})

test('every crate of a registry has the checksum of Cargo.lock', () => {
  const sums = checksums()
  for (const crate of named('cargo')) {
    assert.equal(crate.hashes?.[0].content, sums.get(text(crate)), text(crate))
    assert.equal(crate.hashes === undefined, crate.name.startsWith('dlm-'), text(crate))
  }
})

test('crates of tests and build tools are not in it', () => {
  const names = new Set(named('cargo').map(({ name }) => name))
  for (const name of ['proptest', 'tempfile', 'cc', 'dlm-client', 'dlm-tests']) {
    assert.ok(!names.has(name), name)
  }
})

test('every package that the UI depends on is in it once, and none for development', () => {
  const locked = JSON.parse(readFileSync('dlm-ui/package-lock.json', 'utf8')).packages
  const production = Object.entries(locked).filter(([, { dev, devOptional }]) => !dev && !devOptional)
  const expected = production.map(([path, { name, version }]) =>
    text({ name: name ?? path.split('node_modules/').pop(), version }),
  )
  assert.ok(expected.length > 40 && expected.some((name) => name.startsWith('vue ')))
  // Nested copies of one version are one component.
  assert.deepEqual(named('npm').map(text).sort(), [...new Set(expected)].sort())
})

test('the C libraries are in it with their versions', () => {
  const libraries = all.filter(({ purl }) => purl.startsWith('pkg:generic/'))
  assert.deepEqual(libraries.map(({ name }) => name).sort(), ['libpq', 'mimalloc', 'openssl', 'sqlite'])
  for (const library of libraries) assert.match(library.version, /^\d+\.\d+(\.\d+)?$/, library.name)
})

test('every component has a license, unless it is a C library, and a reference of its own', () => {
  for (const component of top) assert.ok(component.licenses?.length > 0, component.purl)
  assert.equal(new Set(all.map((component) => component['bom-ref'])).size, all.length)
})

test('everything is reachable from the binary', () => {
  const graph = new Map(bill.dependencies.map(({ ref, dependsOn }) => [ref, dependsOn]))
  const reached = new Set()
  const open = [bill.metadata.component.purl]
  while (open.length > 0) {
    const ref = open.pop()
    if (reached.has(ref)) continue
    reached.add(ref)
    open.push(...graph.get(ref))
  }
  assert.deepEqual([...reached].sort(), top.map(({ purl }) => purl).sort())
})

test('it is the same when it is made again, and has nothing of this machine', () => {
  const again = JSON.stringify(billOfMaterials())
  assert.equal(again, JSON.stringify(bill))
  assert.ok(!again.includes(process.cwd()) && !again.includes('timestamp'))
  assert.match(bill.serialNumber, /^urn:uuid:[\da-f]{8}(-[\da-f]{4}){3}-[\da-f]{12}$/)
})
