import * as v from 'valibot'
import { credential } from './credential'
import { MAX_HOLD_MS } from './limits'
import type {
  AcquireRequest,
  EventKind,
  Problem,
  RequestReleaseRequest,
  Role,
  StateFilter,
  TicketPurpose,
} from './types'
import * as answers from './validators'

/** A response with an error status. */
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

  /** The server needs a credential, or does not accept the one it got. */
  get unauthenticated(): boolean {
    return this.status === 401
  }

  /** The role that the principal lacks; `null` if that is not the problem. */
  get missingRole(): Role | null {
    return this.code === 'forbidden' ? (this.problem?.required ?? null) : null
  }
}

/** No response, a timeout, or a response that is not JSON. */
export class UnreachableError extends Error {
  constructor() {
    super('The server is unreachable')
    this.name = 'UnreachableError'
  }
}

/** Whether a retry of the failed request may succeed. */
export function retryable(error: unknown): boolean {
  return (
    error instanceof UnreachableError ||
    (error instanceof ApiError && (error.status >= 500 || error.status === 429))
  )
}

/** Which events to read. What is absent or empty does not filter. */
export interface EventsFilter {
  prefix?: string
  resource?: string
  kinds?: readonly EventKind[]
  owner?: string
  /** Only grants to this principal and force-releases by it. */
  principal?: string
  /** Only events at this instant or later. */
  from?: string
  /** Only events before this instant. */
  to?: string
}

/** The newest events, or those before a cursor. */
interface NewestEvents extends EventsFilter {
  before?: string
}

/** Which locks of the past to read. What is absent or empty does not filter. */
export interface PastFilter {
  /** Only names that begin with this. */
  prefix?: string
  /** Only locks that this owner held or waited for. */
  owner?: string
  /** Those whose first waiter waited longest, in place of the order of the names. */
  longestWaitsFirst?: boolean
  /** The number of locks to read at most. */
  limit: number
}

interface RequestOptions {
  method?: 'GET' | 'POST'
  body?: unknown
  headers?: Record<string, string>
  signal?: AbortSignal
  timeoutMs?: number
}

const REQUEST_TIMEOUT_MS = 10_000
/** The server holds an acquire open for up to `MAX_HOLD_MS` before it responds. */
const ACQUIRE_TIMEOUT_MS = MAX_HOLD_MS + REQUEST_TIMEOUT_MS

/** What an answer must look like. */
type Validator<T> = v.GenericSchema<unknown, T>

/** Sends a request, and again after another sign-in if the server refuses the credential. */
async function call<T>(path: string, answer: Validator<T>, options: RequestOptions = {}): Promise<T> {
  const { identity } = credential
  for (;;) {
    // Otherwise it is sent at once: views that end with a sign-out still send with its token.
    if (credential.asking) await credential.ready(options.signal)
    if (credential.identity !== identity) throw new ApiError(401, null, 'Signed out')
    const { token } = credential
    try {
      return await send(path, answer, options, token)
    } catch (error) {
      if (!(error instanceof ApiError)) throw error
      if (error.missingRole) credential.forbidden()
      const repeat = error.unauthenticated && (await credential.refused(token, identity, options.signal))
      if (!repeat) throw error
    }
  }
}

async function send<T>(
  path: string,
  answer: Validator<T>,
  options: RequestOptions,
  token: string | null,
): Promise<T> {
  const { method = 'GET', body, timeoutMs = REQUEST_TIMEOUT_MS } = options
  const headers = { ...options.headers }
  if (body !== undefined) headers['content-type'] = 'application/json'
  if (token !== null) headers['authorization'] = `Bearer ${token}`
  const timeout = AbortSignal.timeout(timeoutMs)
  const init: RequestInit = {
    method,
    headers,
    signal: options.signal ? AbortSignal.any([options.signal, timeout]) : timeout,
    // Nothing that a principal may see stays on disk.
    cache: 'no-store',
    // The API does not redirect, and the token is for this server only.
    redirect: 'error',
  }
  if (body !== undefined) init.body = JSON.stringify(body)
  let response: Response
  let result: unknown
  try {
    response = await fetch(path, init)
    result = await response.json()
  } catch (error) {
    if (options.signal?.aborted) throw error
    throw new UnreachableError()
  }
  if (response.ok) return validated(answer, result, response.status)
  const problem = isProblem(result) ? result : null
  throw new ApiError(
    response.status,
    problem,
    problem?.detail ?? `The server responded with status ${response.status}`,
  )
}

/** The result itself, which may have fields that the page does not know. */
function validated<T>(answer: Validator<T>, result: unknown, status: number): T {
  const { issues } = v.safeParse(answer, result, { abortEarly: true })
  if (!issues) return result as T
  const [issue] = issues
  const place = v.getDotPath(issue) ?? 'the whole'
  throw new ApiError(
    status,
    null,
    `The server’s answer is not as this page expects (${place}: ${issue.message}). Reload the page: the server may have been upgraded.`,
  )
}

/** Only what the page relies on: a newer server may have further codes. */
const problemSchema = v.object({ code: v.string(), detail: v.string() })

function isProblem(value: unknown): value is Problem {
  return v.is(problemSchema, value)
}

function query(parameters: Record<string, string | number | boolean | null | undefined>): string {
  const params = new URLSearchParams()
  for (const [name, value] of Object.entries(parameters)) {
    if (value !== null && value !== undefined && value !== '') params.set(name, String(value))
  }
  const text = params.toString()
  return text ? `?${text}` : ''
}

/** The API path of a lock. The name is a single percent-encoded segment. */
export function lockPath(name: string): string {
  return `/v1/locks/${encodeURIComponent(name)}`
}

export const api = {
  whoami: (signal?: AbortSignal) => call('/v1/whoami', answers.WhoAmI, { signal }),

  /** Who the caller is with this token instead of the one in force. Asks for no other if the server refuses it. */
  identify: (token: string | null, signal?: AbortSignal) =>
    send('/v1/whoami', answers.WhoAmI, { signal }, token),

  /** A ticket that opens one WebSocket. */
  ticket: (purpose: TicketPurpose, signal?: AbortSignal) =>
    call('/v1/tickets', answers.Ticket, { method: 'POST', body: { purpose }, signal }),

  waitGraph: (limit: number, signal?: AbortSignal) =>
    call(`/v1/wait-graph${query({ limit })}`, answers.WaitGraph, { signal }),
  overview: (seconds: number, signal?: AbortSignal) =>
    call(`/v1/overview${query({ seconds })}`, answers.Overview, { signal }),

  list: (prefix: string, state: StateFilter, limit: number, after: string | null, signal?: AbortSignal) =>
    call(`/v1/locks${query({ prefix, state, limit, after })}`, answers.LockPage, { signal }),

  /** Locks whose names have this part. A page may have fewer than there are, and `next` to go on. */
  find: (contains: string, limit: number, after: string | null, signal?: AbortSignal) =>
    call(`/v1/locks${query({ contains, state: 'all', limit, after })}`, answers.LockPage, { signal }),

  status: (name: string, signal?: AbortSignal) => call(lockPath(name), answers.LockStatus, { signal }),

  /**
   * The newest matching events, oldest first. `cursor` continues after the last one, `start` before the first one if
   * there may be older ones.
   */
  newestEvents: ({ kinds = [], ...filter }: NewestEvents, limit: number, signal?: AbortSignal) => {
    const parameters = { ...filter, kind: kinds.join(), limit, newest: true }
    return call(`/v1/events${query(parameters)}`, answers.EventPage, { signal })
  },

  /** Why a lock is not free; with an owner, also when it is the turn of that owner. */
  explain: (name: string, owner: string | null, signal?: AbortSignal) =>
    call(`${lockPath(name)}/explain${query({ owner })}`, answers.Explanation, { signal }),

  /** How long locks are usually held, of up to `MAX_HOLD_STATISTICS` names. */
  holdStatistics: (names: readonly string[], signal?: AbortSignal) => {
    const params = new URLSearchParams(names.map((name) => ['resource', name]))
    return call(`/v1/hold-statistics?${params.toString()}`, answers.HoldStatisticsList, { signal })
  },

  /** Those that block most come first. */
  owners: (filter: { contains?: string; principal?: string }, limit: number, signal?: AbortSignal) =>
    call(`/v1/owners${query({ ...filter, limit })}`, answers.OwnerPage, { signal }),

  /** What an owner holds and waits for. The owner without a name is the empty one. */
  owner: (owner: string, principal: string | null, signal?: AbortSignal) =>
    call(`/v1/owners/${encodeURIComponent(owner)}${query({ principal })}`, answers.OwnerDetails, { signal }),

  /** What a principal holds and waits for, with whatever owners. */
  principal: (name: string, signal?: AbortSignal) =>
    call(`/v1/principals/${encodeURIComponent(name)}`, answers.PrincipalDetails, { signal }),

  /** The locks as they were at an instant; now if it is empty. */
  stateAt: (at: string, { longestWaitsFirst, ...filter }: PastFilter, signal?: AbortSignal) => {
    const parameters = { at, ...filter, longest_waits_first: longestWaitsFirst }
    return call(`/v1/state${query(parameters)}`, answers.PastState, { signal })
  },

  forceRelease: (name: string, fencingToken: number, reason: string) =>
    call(`${lockPath(name)}/force-release`, answers.ForceReleased, {
      method: 'POST',
      body: { fencing_token: fencingToken, reason },
    }),

  /** Asks a holder to let go. A repeat with the same token gives the first answer. */
  requestRelease: (name: string, request: RequestReleaseRequest) =>
    call(`${lockPath(name)}/request-release`, answers.RequestedRelease, { method: 'POST', body: request }),

  acquire: (name: string, key: string, request: AcquireRequest, signal?: AbortSignal) =>
    call(`${lockPath(name)}/acquire`, v.union([answers.Lease, answers.Queued]), {
      method: 'POST',
      body: request,
      headers: { 'idempotency-key': key },
      signal,
      timeoutMs: ACQUIRE_TIMEOUT_MS,
    }),

  cancel: (name: string, key: string) =>
    call(`${lockPath(name)}/cancel`, answers.Cancelled, {
      method: 'POST',
      headers: { 'idempotency-key': key },
    }),

  renew: (name: string, leaseId: string, ttlMs: number) =>
    call(`${lockPath(name)}/renew`, answers.Lease, {
      method: 'POST',
      body: { lease_id: leaseId, ttl_ms: ttlMs },
    }),

  release: (name: string, leaseId: string) =>
    call(`${lockPath(name)}/release`, answers.Released, { method: 'POST', body: { lease_id: leaseId } }),
}
