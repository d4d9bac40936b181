// The crates of the binary, from cargo itself.

import { execFileSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { dirname, join } from 'node:path'

const PACKAGE = 'dlm-server'

function cargo(...options) {
  return execFileSync('cargo', [...options, '--locked'], { encoding: 'utf8', maxBuffer: 2 ** 28 })
}

// "name version" of each crate that the binary depends on, itself included. These are the
// ones that cargo builds for it, with the features that it uses.
export function crateNames(edges) {
  const options = ['--package', PACKAGE, '--edges', edges, '--target', process.env.DLM_TARGET]
  const tree = cargo('tree', ...options, '--prefix', 'none', '--format', '{p}')
  const lines = tree.split('\n').filter(Boolean)
  return new Set(lines.map((line) => line.split(' ').slice(0, 2).join(' ').replace(' v', ' ')))
}

// Crates that build C sources of another project, with the version of these. A scanner
// finds vulnerabilities by the project, not by the crate.
const LIBRARIES = {
  'openssl-src': { name: 'openssl', version: (crate) => crate.version.split('+')[1] },
  'pq-src': { name: 'libpq', version: (crate) => crate.version.split('+libpq-')[1] },
  'libsqlite3-sys': {
    name: 'sqlite',
    version: (crate) => found(crate, 'sqlite3/sqlite3.h', /#define SQLITE_VERSION +"([\d.]+)"/)[1],
  },
  'libmimalloc-sys': {
    name: 'mimalloc',
    version: (crate) => {
      const series = crate.features.includes('v2') ? 'v2' : 'v3'
      const header = `c_src/mimalloc/${series}/include/mimalloc.h`
      const [, major, minor, patch] = found(crate, header, /MI_MALLOC_VERSION +(\d)(\d\d)(\d\d)/)
      return [major, minor, patch].map(Number).join('.')
    },
  },
}

function found(crate, file, pattern) {
  const match = readFileSync(join(dirname(crate.manifest_path), file), 'utf8').match(pattern)
  if (!match) throw new Error(`${file} of ${crate.name} has no version`)
  return match
}

function library(crate) {
  const { name, version } = LIBRARIES[crate.name]
  const number = version(crate)
  if (!number) throw new Error(`the version of ${name} in ${crate.name} ${crate.version} is not known`)
  const ref = `pkg:generic/${name}@${number}`
  return { type: 'library', 'bom-ref': ref, name, version: number, purl: ref }
}

// The checksums of Cargo.lock by "name version".
export function checksums() {
  const blocks = readFileSync('Cargo.lock', 'utf8').split('[[package]]').slice(1)
  const value = (block, key) => block.match(new RegExp(`^${key} = "(.*)"$`, 'm'))?.[1]
  return new Map(
    blocks.map((block) => [`${value(block, 'name')} ${value(block, 'version')}`, value(block, 'checksum')]),
  )
}

// The component of the binary, those of its crates, and what each depends on.
export function crates() {
  // The sources of OpenSSL are a build dependency, but what they build is linked in.
  const built = [...crateNames('normal,build')].filter((name) => name.split(' ')[0].endsWith('-src'))
  const names = new Set([...crateNames('normal'), ...built])
  const metadata = JSON.parse(
    cargo('metadata', '--format-version', '1', '--filter-platform', process.env.DLM_TARGET),
  )
  const resolved = new Map(metadata.resolve.nodes.map((node) => [node.id, node]))
  const sums = checksums()
  const packages = metadata.packages.filter((crate) => names.has(`${crate.name} ${crate.version}`))
  const ref = (crate) => `pkg:cargo/${crate.name}@${encodeURIComponent(crate.version)}`
  const refs = new Map(packages.map((crate) => [crate.id, ref(crate)]))
  const components = packages.map((crate) => {
    const sum = sums.get(`${crate.name} ${crate.version}`)
    return {
      type: crate.name === PACKAGE ? 'application' : 'library',
      'bom-ref': ref(crate),
      name: crate.name,
      version: crate.version,
      ...(crate.description && { description: crate.description.trim() }),
      ...(sum && { hashes: [{ alg: 'SHA-256', content: sum }] }),
      ...(crate.license && { licenses: [{ expression: crate.license.replaceAll('/', ' OR ') }] }),
      purl: ref(crate),
      ...(crate.repository && { externalReferences: [{ type: 'vcs', url: crate.repository }] }),
      ...(crate.name in LIBRARIES && {
        components: [library({ ...crate, features: resolved.get(crate.id).features })],
      }),
    }
  })
  const dependencies = packages.map((crate) => ({
    ref: ref(crate),
    dependsOn: resolved.get(crate.id).dependencies.map((id) => refs.get(id)).filter(Boolean),
  }))
  const root = components.find((component) => component.name === PACKAGE)
  return { root, components: components.filter((component) => component !== root), dependencies }
}
