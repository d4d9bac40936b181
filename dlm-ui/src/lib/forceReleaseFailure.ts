// What an operator has to know after a force-release that did not succeed.
import { ApiError, retryable, UnreachableError } from '../api/client'

/** `changed`: the lease had ended before. `refused`: it goes on. `unknown`: it may have been released or not. */
export type ForceReleaseFailure = 'changed' | 'refused' | 'unknown'

export function classifyFailure(error: unknown): ForceReleaseFailure {
  if (error instanceof ApiError && error.code === 'holder-changed') return 'changed'
  // The server did it, or something else: its answer can't be read.
  if (error instanceof ApiError && error.status < 300) return 'unknown'
  // A quota refuses before anything happens.
  if (error instanceof ApiError && (error.status === 429 || !retryable(error))) return 'refused'
  return 'unknown'
}

export function failureText(error: unknown, token: number): string {
  const message = error instanceof Error ? error.message : 'Force-release failed'
  if (classifyFailure(error) === 'refused') return `Nothing was released. ${message}.`
  const cause =
    error instanceof UnreachableError ? 'The server did not answer' : `The server failed: ${message}`
  return (
    `${cause}. The lease with token ${token} may or may not have been released. ` +
    'Repeating is safe: it ends this lease and no other, once.'
  )
}
