// The npm packages of the UI, from npm itself.

import { execFileSync } from 'node:child_process'

const FOR_DEVELOPMENT = 'cdx:npm:package:development'

// The UI and its dependencies, their own included, and what each depends on. Of some of them the
// bundler drops everything. `npm sbom --omit dev` also omits packages that the UI needs, so
// all are asked for.
export function ui() {
  const options = ['sbom', '--sbom-format', 'cyclonedx', '--package-lock-only']
  const output = execFileSync('npm', options, { cwd: 'dlm-ui', encoding: 'utf8', maxBuffer: 2 ** 28 })
  const bom = JSON.parse(output)
  const packages = bom.components.filter((component) => {
    const isForDevelopment = component.properties.some((property) => property.name === FOR_DEVELOPMENT)
    // A peer that packages only check types with.
    return !isForDevelopment && component.name !== 'typescript'
  })
  const root = bom.metadata.component
  const refs = new Map([root, ...packages].map((component) => [component['bom-ref'], component.purl]))
  const components = [root, ...packages].map(({ name, version, hashes, licenses, purl }) => ({
    type: 'library',
    'bom-ref': purl,
    name,
    version,
    ...(hashes && { hashes }),
    ...(licenses && { licenses }),
    purl,
  }))
  const dependencies = bom.dependencies
    .filter(({ ref }) => refs.has(ref))
    .map(({ ref, dependsOn = [] }) => ({
      ref: refs.get(ref),
      dependsOn: dependsOn.map((other) => refs.get(other)).filter(Boolean),
    }))
  return { root: components[0], components, dependencies }
}
