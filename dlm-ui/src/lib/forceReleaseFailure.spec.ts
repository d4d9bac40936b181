import { expect, test } from 'vitest'
import { ApiError, UnreachableError } from '../api/client'
import { problem } from '../api/testing'
import type { Problem } from '../api/types'
import { classifyFailure, failureText } from './forceReleaseFailure'

function failure(status: number, code: string): ApiError {
  return new ApiError(status, problem(status, code)[1] as Problem, `It is ${code}`)
}

/** The answer to a release that succeeded, as an old page sees it. */
const unreadable = new ApiError(200, null, 'not as expected')

test('without an answer the outcome is unknown, and a repeat is safe', () => {
  for (const error of [new UnreachableError(), failure(503, 'unavailable'), unreadable]) {
    expect(classifyFailure(error)).toBe('unknown')
    expect(failureText(error, 42)).toContain('token 42 may or may not have been released')
    expect(failureText(error, 42)).toContain('Repeating is safe')
  }
})

test('a refusal releases nothing', () => {
  for (const error of [failure(403, 'forbidden'), failure(429, 'quota-exceeded'), failure(400, 'invalid')]) {
    expect(classifyFailure(error)).toBe('refused')
    expect(failureText(error, 42)).toContain('Nothing was released')
  }
  expect(classifyFailure(failure(409, 'holder-changed'))).toBe('changed')
})
