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

/** The header that authenticates a request. Whoever runs it sets the variable; the page's own token is never shown. */
const CURL_TOKEN = `-H "Authorization: Bearer $DLM_TOKEN"`

export function curlAcquire(origin: string, name: string, withToken: boolean): string {
  const url = `${origin}/v1/locks/${encodeURIComponent(name)}/acquire`
  return [
    `curl -sS ${shellQuote(url)} \\`,
    ...(withToken ? [`  ${CURL_TOKEN} \\`] : []),
    `  -H 'content-type: application/json' \\`,
    `  -d '{"ttl_ms": ${DEFAULT_TTL_MS}, "wait_ms": 5000, "owner": "me"}'`,
  ].join('\n')
}

export function curlStatus(origin: string, name: string, withToken: boolean): string {
  const command = `curl -sS ${shellQuote(`${origin}/v1/locks/${encodeURIComponent(name)}`)}`
  return withToken ? `${command} \\\n  ${CURL_TOKEN}` : command
}

export function rustLock(origin: string, name: string, withToken: boolean): string {
  const connect = withToken
    ? [
        `// The token is in the environment variable DLM_TOKEN.`,
        `let builder = dlm_client::ClientBuilder::from_env();`,
        `let client = builder.address(${rustLiteral(origin)}).connect().await?;`,
      ]
    : [`let client = dlm_client::Client::connect(${rustLiteral(origin)}).await?;`]
  return [
    ...connect,
    `let guard = client.lock(${rustLiteral(name)}).await?;`,
    `storage.write(guard.fencing_token(), row).await?;`,
  ].join('\n')
}
