// Tests of script/audit, with cargo-deny and npm replaced by programs that answer as these do.

import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { chmodSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, test } from 'node:test'

const folder = mkdtempSync(join(tmpdir(), 'audit-'))
after(() => rmSync(folder, { recursive: true }))

const CLEAN = { auditReportVersion: 2, vulnerabilities: {}, metadata: { vulnerabilities: { total: 0 } } }
const VULNERABLE = {
  auditReportVersion: 2,
  vulnerabilities: {
    vue: { name: 'vue', severity: 'high', range: '<4', via: [{ title: 'XSS in templates' }] },
    pinia: { name: 'pinia', severity: 'high', range: '*', via: ['vue'] },
  },
  metadata: { vulnerabilities: { total: 2 } },
}
const REFUSED = { statusCode: 405, error: { summary: '', detail: '' } }

function program(name, text) {
  const file = join(folder, name)
  writeFileSync(file, `#!/bin/sh\n${text}\n`)
  chmodSync(file, 0o755)
}

// Runs script/audit. `crates` is what cargo-deny finds, `packages` what npm prints.
function audit(crates, packages, ...options) {
  const fetch = crates === 'unreachable' ? 'exit 1' : 'exit 0'
  const check = crates === 'vulnerable' ? 'echo "error[vulnerability]: RUSTSEC-0000-0000" >&2; exit 1' : 'exit 0'
  program('cargo-deny', `case "$*" in *"fetch db"*) ${fetch} ;; *advisories*) ${check} ;; esac`)
  const json = typeof packages === 'string' ? packages : JSON.stringify(packages)
  program('npm', `cat <<'JSON'\n${json}\nJSON\nexit 1`)
  const env = { ...process.env, PATH: `${folder}:${process.env.PATH}` }
  const { status, stderr } = spawnSync('script/audit', options, { env, encoding: 'utf8' })
  return { status, stderr }
}

test('nothing known is a success, also if npm has the status of an error', () => {
  assert.deepEqual(audit('ok', CLEAN), { status: 0, stderr: '' })
})

test('a vulnerable crate or package fails and is named', () => {
  const crate = audit('vulnerable', CLEAN)
  assert.equal(crate.status, 1)
  assert.match(crate.stderr, /RUSTSEC-0000-0000/)
  const npm = audit('ok', VULNERABLE)
  assert.equal(npm.status, 1)
  assert.match(npm.stderr, /^high: vue <4: XSS in templates\nhigh: pinia \*: it depends on vue\n$/)
  assert.equal(audit('unreachable', VULNERABLE, '--allow-unreachable').status, 1)
  assert.equal(audit('vulnerable', REFUSED, '--allow-unreachable').status, 1)
})

test('a database that is not reachable is never a silent success', () => {
  for (const [crates, packages, unchecked] of [
    ['unreachable', CLEAN, ['the crates']],
    ['ok', REFUSED, ['the npm packages']],
    ['ok', '', ['the npm packages']],
    ['unreachable', 'not JSON', ['the crates', 'the npm packages']],
  ]) {
    for (const options of [[], ['--allow-unreachable']]) {
      const { status, stderr } = audit(crates, packages, ...options)
      assert.equal(status, options.length > 0 ? 0 : 3, stderr)
      const said = [...stderr.matchAll(/^NOT CHECKED for known vulnerabilities: (.*?):/gm)]
      assert.deepEqual(said.map((match) => match[1]), unchecked)
    }
  }
})
