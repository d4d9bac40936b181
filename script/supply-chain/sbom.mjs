// Prints the bill of materials. It has no time and no random number: equal lock files give
// equal bytes.

import { createHash } from 'node:crypto'
import { pathToFileURL } from 'node:url'

import { crates } from './crates.mjs'
import { ui } from './ui.mjs'

const byRef = (one, other) => ((one.purl ?? one.ref) < (other.purl ?? other.ref) ? -1 : 1)

export function billOfMaterials() {
  const [rust, web] = [crates(), ui()]
  const dependencies = [...rust.dependencies, ...web.dependencies].map(({ ref, dependsOn }) => ({
    ref,
    dependsOn: [...new Set(ref === rust.root.purl ? [...dependsOn, web.root.purl] : dependsOn)].sort(),
  }))
  const content = {
    version: 1,
    metadata: { component: rust.root },
    components: [...rust.components, ...web.components].sort(byRef),
    dependencies: dependencies.sort(byRef),
  }
  const digest = createHash('sha256').update(JSON.stringify(content)).digest('hex')
  // A name-based UUID, version 8: the first bits of the digest.
  const uuid = [8, 4, 4, 4, 12].map((length, part) => {
    const start = [0, 8, 12, 16, 20][part]
    return digest.slice(start, start + length)
  })
  uuid[2] = `8${uuid[2].slice(1)}`
  uuid[3] = `a${uuid[3].slice(1)}`
  return {
    $schema: 'http://cyclonedx.org/schema/bom-1.5.schema.json',
    bomFormat: 'CycloneDX',
    specVersion: '1.5',
    serialNumber: `urn:uuid:${uuid.join('-')}`,
    ...content,
  }
}

if (import.meta.url === pathToFileURL(process.argv[1]).href) {
  console.log(JSON.stringify(billOfMaterials(), null, 2))
}
