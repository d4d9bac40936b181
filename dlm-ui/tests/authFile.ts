// The file that names the principals of a server, their tokens and rights.
import { createHash, randomBytes } from 'node:crypto'
import { mkdtempSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

export interface Principal {
  name: string
  token: string
  expires?: Date
  /** Each `ROLE PREFIX`, and further limits in the words of the file. */
  rules: { role: 'observe' | 'lock' | 'admin'; prefix: string; limits?: string }[]
}

export function newToken(): string {
  return `dlm_${randomBytes(32).toString('base64url')}`
}

export class AuthFile {
  readonly #folder = mkdtempSync(join(tmpdir(), 'dlm-ui-auth-'))
  readonly path = join(this.#folder, 'auth.toml')

  /** Replaces the file at once, as an operator does, so that a server never reads a part of it. */
  write(principals: Principal[]): void {
    const next = join(this.#folder, 'next.toml')
    writeFileSync(next, principals.map(block).join('\n'))
    renameSync(next, this.path)
  }

  remove(): void {
    rmSync(this.#folder, { recursive: true, force: true })
  }
}

function block({ name, token, expires, rules }: Principal): string {
  const hash = createHash('sha256').update(token).digest('hex')
  const expiry = expires ? `, expires = ${expires.toISOString()}` : ''
  const lines = rules.map(
    ({ role, prefix, limits }) => `{ role = "${role}", prefix = "${prefix}"${limits ? `, ${limits}` : ''} }`,
  )
  return `[[principal]]\nname = "${name}"\ntokens = [{ sha256 = "${hash}"${expiry} }]\nrules = [${lines.join(', ')}]\n`
}
