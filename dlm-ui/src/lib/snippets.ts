// How to take a lock from elsewhere, ready to be copied.

/** Text as one word of a POSIX shell. */
export function shellWord(text: string): string {
  return `'${text.replaceAll("'", `'\\''`)}'`
}

/** Text as a Rust string literal. */
export function rustLiteral(text: string): string {
  const escaped = text.replaceAll('\\', '\\\\').replaceAll('"', '\\"')
  return `"${escaped}"`
}

export function curlAcquire(origin: string, name: string): string {
  const url = `${origin}/v1/locks/${encodeURIComponent(name)}/acquire`
  return [
    `curl -sS ${shellWord(url)} \\`,
    `  -H 'content-type: application/json' \\`,
    `  -d '{"ttl_ms": 30000, "wait_ms": 5000, "owner": "me"}'`,
  ].join('\n')
}

export function curlStatus(origin: string, name: string): string {
  return `curl -sS ${shellWord(`${origin}/v1/locks/${encodeURIComponent(name)}`)}`
}

export function rustLock(origin: string, name: string): string {
  return [
    `let client = dlm_client::Client::connect(${rustLiteral(origin)}).await?;`,
    `let guard = client.lock(${rustLiteral(name)}).await?;`,
    `storage.write(guard.fencing_token(), row).await?;`,
  ].join('\n')
}
