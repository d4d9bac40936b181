/// <reference types="node" />
import { execFileSync } from 'node:child_process'
import { expect, test } from 'vitest'
import { curlAcquire, rustLiteral, rustLock, shellQuote } from './snippets'

test.each(["it's", '$(reboot)', '`id`', '"; rm -rf /', 'a b', '<img src=x onerror=alert(1)>', '\\'])(
  'a shell reads the quoted %s as one word',
  (text) => {
    expect(execFileSync('sh', ['-c', `printf %s ${shellQuote(text)}`], { encoding: 'utf8' })).toBe(text)
  },
)

test('names are percent-encoded in URLs and escaped in literals', () => {
  expect(curlAcquire('http://h', "a/b'c")).toContain(`'http://h/v1/locks/a%2Fb'\\''c/acquire'`)
  expect(rustLiteral('a"b\\c')).toBe('"a\\"b\\\\c"')
  expect(rustLock('http://h', 'a"b')).toContain('client.lock("a\\"b")')
})
