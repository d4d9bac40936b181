/// <reference types="node" />
import { execFileSync } from 'node:child_process'
import { expect, test } from 'vitest'
import { curlAcquire, curlStatus, rustLiteral, rustLock, shellQuote } from './snippets'

test.each(["it's", '$(reboot)', '`id`', '"; rm -rf /', 'a b', '<img src=x onerror=alert(1)>', '\\'])(
  'a shell reads the quoted %s as one word',
  (text) => {
    expect(execFileSync('sh', ['-c', `printf %s ${shellQuote(text)}`], { encoding: 'utf8' })).toBe(text)
  },
)

test('names are percent-encoded in URLs and escaped in literals', () => {
  expect(curlAcquire('http://h', "a/b'c", false)).toContain(`'http://h/v1/locks/a%2Fb'\\''c/acquire'`)
  expect(rustLiteral('a"b\\c')).toBe('"a\\"b\\\\c"')
  expect(rustLock('http://h', 'a"b', false)).toContain('client.lock("a\\"b")')
})

test('commands for a server that authenticates take the token from the environment', () => {
  const run = (command: string) =>
    execFileSync('sh', ['-c', `curl() { printf '%s\\n' "$@"; }\n${command}`], {
      encoding: 'utf8',
      env: { ...process.env, DLM_TOKEN: 'from the environment' },
    })
  for (const command of [curlAcquire('http://h', 'a', true), curlStatus('http://h', 'a', true)])
    expect(run(command).split('\n')).toContain('Authorization: Bearer from the environment')
  expect(rustLock('http://h', 'a', true)).toContain('ClientBuilder::from_env()')
  expect(rustLock('http://h', 'a', false)).not.toContain('from_env')
  for (const command of [curlAcquire('http://h', 'a', false), curlStatus('http://h', 'a', false)])
    expect(run(command)).not.toContain('Authorization')
})
