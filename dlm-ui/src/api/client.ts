import type {
  AcquireRequest,
  EventPage,
  ForceReleased,
  Lease,
  LockPage,
  LockStatus,
  Overview,
  Problem,
  Queued,
  Released,
  StateFilter,
} from './types'

/** The server, or what is in front of it, did not do what it was asked. */
export class ApiError extends Error {
  constructor(
    readonly status: number,
    readonly problem: Problem | null,
    message: string,
  ) {
    super(message)
    this.name = 'ApiError'
  }

  get code(): string | null {
    return this.problem?.code ?? null
  }
}

/** Nothing came back, or nothing that can be read. */
export class AwayError extends Error {
  constructor() {
    super('The server can’t be reached')
    this.name = 'AwayError'
  }
}

/** Whether what failed may succeed when it is asked again. */
export function passes(error: unknown): boolean {
  return (
    error instanceof AwayError || (error instanceof ApiError && (error.status >= 500 || error.status === 429))
  )
}

interface Options {
  method?: 'GET' | 'POST'
  body?: unknown
  headers?: Record<string, string>
  signal?: AbortSignal
}

/** How long an answer may take that the server gives at once. */
const PATIENCE_MS = 10_000
/** The server holds a waiting request at most 20 s. */
const HELD_MS = 30_000

async function call<T>(path: string, options: Options = {}, patience = PATIENCE_MS): Promise<T> {
  const { method = 'GET', body, headers = {} } = options
  const limit = AbortSignal.timeout(patience)
  const init: RequestInit = {
    method,
    headers: body === undefined ? headers : { ...headers, 'content-type': 'application/json' },
    signal: options.signal ? AbortSignal.any([options.signal, limit]) : limit,
  }
  if (body !== undefined) init.body = JSON.stringify(body)
  let response: Response
  let answer: unknown
  try {
    response = await fetch(path, init)
    answer = await response.json()
  } catch (error) {
    if (options.signal?.aborted) throw error
    throw new AwayError()
  }
  if (response.ok) return answer as T
  const problem = isProblem(answer) ? answer : null
  throw new ApiError(response.status, problem, problem?.detail ?? `The server answered ${response.status}`)
}

function isProblem(answer: unknown): answer is Problem {
  return typeof answer === 'object' && answer !== null && 'code' in answer && 'detail' in answer
}

function query(parameters: Record<string, string | number | boolean | null | undefined>): string {
  const search = new URLSearchParams()
  for (const [name, value] of Object.entries(parameters)) {
    if (value !== null && value !== undefined && value !== '') search.set(name, String(value))
  }
  const text = search.toString()
  return text ? `?${text}` : ''
}

/** Where a lock is on the wire: its name is one segment, encoded once. */
export function lockPath(name: string): string {
  return `/v1/locks/${encodeURIComponent(name)}`
}

export const api = {
  overview: (seconds: number, signal?: AbortSignal) =>
    call<Overview>(`/v1/overview${query({ seconds })}`, { signal }),

  list: (prefix: string, state: StateFilter, limit: number, after: string | null, signal?: AbortSignal) =>
    call<LockPage>(`/v1/locks${query({ prefix, state, limit, after })}`, { signal }),

  status: (name: string, signal?: AbortSignal) => call<LockStatus>(lockPath(name), { signal }),

  /** The newest events that match, oldest first; `cursor` goes on from there. */
  newestEvents: (prefix: string, resource: string | null, limit: number, signal?: AbortSignal) =>
    call<EventPage>(`/v1/events${query({ prefix, resource, limit, newest: true })}`, { signal }),

  forceRelease: (name: string, fencingToken: number, reason: string) =>
    call<ForceReleased>(`${lockPath(name)}/force-release`, {
      method: 'POST',
      body: { fencing_token: fencingToken, reason },
    }),

  acquire: (name: string, key: string, request: AcquireRequest, signal?: AbortSignal) =>
    call<Lease | Queued>(
      `${lockPath(name)}/acquire`,
      { method: 'POST', body: request, headers: { 'idempotency-key': key }, signal },
      HELD_MS,
    ),

  cancel: (name: string, key: string) =>
    call<{ outcome: string }>(`${lockPath(name)}/cancel`, {
      method: 'POST',
      headers: { 'idempotency-key': key },
    }),

  renew: (name: string, leaseId: string, ttlMs: number) =>
    call<Lease>(`${lockPath(name)}/renew`, { method: 'POST', body: { lease_id: leaseId, ttl_ms: ttlMs } }),

  release: (name: string, leaseId: string) =>
    call<Released>(`${lockPath(name)}/release`, { method: 'POST', body: { lease_id: leaseId } }),
}
