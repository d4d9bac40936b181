// Code snippets for acquiring and inspecting a lock.

import { DEFAULT_TTL_MS } from '../api/limits'

/** Quotes text as one word for a POSIX shell. */
export function shellQuote(text: string): string {
  return `'${text.replaceAll("'", `'\\''`)}'`
}

/** Quotes text as a Rust string literal. */
export function rustLiteral(text: string): string {
  const escaped = text.replaceAll('\\', '\\\\').replaceAll('"', '\\"')
  return `"${escaped}"`
}

export function curlAcquire(origin: string, name: string): string {
  const url = `${origin}/v1/locks/${encodeURIComponent(name)}/acquire`
  return [
    `curl -sS ${shellQuote(url)} \\`,
    `  -H 'content-type: application/json' \\`,
    `  -d '{"ttl_ms": ${DEFAULT_TTL_MS}, "wait_ms": 5000, "owner": "me"}'`,
  ].join('\n')
}

export function curlStatus(origin: string, name: string): string {
  return `curl -sS ${shellQuote(`${origin}/v1/locks/${encodeURIComponent(name)}`)}`
}

export function rustLock(origin: string, name: string): string {
  return [
    `let client = dlm_client::Client::connect(${rustLiteral(origin)}).await?;`,
    `let guard = client.lock(${rustLiteral(name)}).await?;`,
    `storage.write(guard.fencing_token(), row).await?;`,
  ].join('\n')
}
