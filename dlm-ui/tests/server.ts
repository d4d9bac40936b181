// A dlm-server with its own database, and programs that use it.
import { spawn, type ChildProcess } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { createInterface } from 'node:readline'

const target = process.env['CARGO_TARGET_DIR'] ?? resolve(import.meta.dirname, '../../target')
const binary = (name: string) => resolve(target, 'debug', name)

export interface Lease {
  resource: string
  lease_id: string
  fencing_token: number
}

/** A busy world that runs. */
export interface World {
  /** What its workers failed at so far. */
  failures: () => string[]
}

export class TestServer {
  readonly #folder = mkdtempSync(join(tmpdir(), 'dlm-ui-'))
  #process: ChildProcess | null = null
  #programs: ChildProcess[] = []
  url = ''
  /** Sent with each `call` if the server authenticates. */
  token: string | null = null

  static async start(...flags: string[]): Promise<TestServer> {
    const server = new TestServer()
    await server.run(...flags)
    return server
  }

  /** Runs the server on a free port. */
  async run(...flags: string[]): Promise<void> {
    await this.#run('127.0.0.1:0', flags)
  }

  async #run(listen: string, flags: string[]): Promise<void> {
    const database = `sqlite://${join(this.#folder, 'dlm.db')}`
    const child = spawn(binary('dlm-server'), ['--listen', listen, '--database-url', database, ...flags], {
      stdio: ['ignore', 'pipe', 'inherit'],
      env: { ...process.env, DLM_LOG: 'warn' },
    })
    this.#process = child
    this.url = await new Promise<string>((resolve, reject) => {
      child.once('error', reject)
      child.once('exit', (code) =>
        reject(new Error(`dlm-server exited with ${code} before it was listening`)),
      )
      const lines = createInterface({ input: child.stdout })
      lines.on('line', (line) => {
        const url = /^listening on (http:.*)$/.exec(line)?.[1]
        if (url) resolve(url)
      })
    })
    child.removeAllListeners('exit')
  }

  /** Kills the server with SIGKILL. */
  async kill(): Promise<void> {
    const child = this.#process
    this.#process = null
    if (child) await terminate(child, 'SIGKILL')
  }

  /** Restarts the server on the same address and database. */
  async restart(...flags: string[]): Promise<void> {
    await this.#run(new URL(this.url).host, flags)
  }

  /** Runs a program against the server until the test ends. */
  spawn(name: string, ...flags: string[]): ChildProcess {
    const child = spawn(binary(name), [...flags, '--server', this.url], { stdio: 'ignore' })
    this.#programs.push(child)
    return child
  }

  /** Runs a busy world against the server until the test ends. Returns once it stands. */
  async startWorld(...flags: string[]): Promise<World> {
    const child = spawn(binary('dlm-load'), ['world', ...flags, '--server', this.url], {
      stdio: ['ignore', 'pipe', 'pipe'],
    })
    this.#programs.push(child)
    const failures: string[] = []
    createInterface({ input: child.stderr }).on('line', (line) => failures.push(line))
    await new Promise<void>((resolve, reject) => {
      child.once('error', reject)
      child.once('exit', (code) => reject(new Error(`the world ended with ${code}: ${failures.join('\n')}`)))
      createInterface({ input: child.stdout }).on('line', (line) => {
        if (line === 'ready') resolve()
      })
    })
    child.removeAllListeners('exit')
    return { failures: () => (child.exitCode === null ? failures : [...failures, 'the world has ended']) }
  }

  async call<T>(path: string, body?: unknown, headers: Record<string, string> = {}): Promise<T> {
    const authorization: Record<string, string> = this.token ? { authorization: `Bearer ${this.token}` } : {}
    const init =
      body === undefined
        ? { headers: authorization }
        : {
            method: 'POST',
            body: JSON.stringify(body),
            headers: { 'content-type': 'application/json', ...authorization, ...headers },
          }
    const response = await fetch(`${this.url}${path}`, init)
    if (!response.ok && response.status !== 423) throw new Error(`${path}: ${await response.text()}`)
    return (await response.json()) as T
  }

  lock(name: string, request: Record<string, unknown> = {}): Promise<Lease> {
    return this.call(`/v1/locks/${encodeURIComponent(name)}/acquire`, { ttl_ms: 60_000, ...request })
  }

  release(lease: Lease): Promise<unknown> {
    const path = `/v1/locks/${encodeURIComponent(lease.resource)}/release`
    return this.call(path, { lease_id: lease.lease_id })
  }

  newestEvents(resource: string): Promise<{ events: { kind: string; at: string }[] }> {
    return this.call(`/v1/events?newest=true&limit=20&resource=${encodeURIComponent(resource)}`)
  }

  /** Enqueues a waiter, which keeps waiting in the background until it is granted or the server stops. */
  async wait(name: string, owner: string): Promise<void> {
    const path = `/v1/locks/${encodeURIComponent(name)}`
    const { queue_len: before } = await this.call<{ queue_len: number }>(path)
    const key = { 'idempotency-key': `wait-${name.length}-${owner.length}-${Math.random()}` }
    const acquire = async (): Promise<void> => {
      const response = await this.call<Partial<Lease>>(
        `${path}/acquire`,
        { ttl_ms: 60_000, wait_ms: 600_000, owner },
        key,
      )
      if (!response.lease_id) await acquire()
    }
    const failures: Error[] = []
    acquire().catch((error: unknown) =>
      failures.push(error instanceof Error ? error : new Error(String(error))),
    )
    for (;;) {
      const { queue_len: now } = await this.call<{ queue_len: number }>(path)
      if (now > before) return
      if (failures[0]) throw failures[0]
      await new Promise((resolve) => setTimeout(resolve, 20))
    }
  }

  async stop(): Promise<void> {
    await Promise.all(this.#programs.map((child) => terminate(child, 'SIGKILL')))
    await this.kill()
    rmSync(this.#folder, { recursive: true, force: true })
  }
}

async function terminate(child: ChildProcess, signal: NodeJS.Signals): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return
  const exited = new Promise((resolve) => child.once('exit', resolve))
  child.kill(signal)
  await exited
}
