// The bearer token of this page, and the requests that wait for another one.
//
// The token is in no store, so that developer tools and error reports do not show it, and in no URL.

/** What has to happen when the server denies something. */
export interface DenialHandler {
  /** The server refused the credential: ask for another one, then call `replace`. */
  refused: () => void
  /** The principal lacks a right that it may have had before. */
  forbidden: () => void
}

export class Credential {
  #token: string | null = null
  #identity = 0
  #handler: DenialHandler | null = null
  /** Called at the next `replace`; `null` while the credential is not known to be refused. */
  #waiting: (() => void)[] | null = null

  /** `null` if there is none: the server does not authenticate, or does so by certificate. */
  get token(): string | null {
    return this.#token
  }

  /** Grows when another principal signs in or the principal signs out. No request is repeated beyond that. */
  get identity(): number {
    return this.#identity
  }

  /** Whether another token is being asked for. */
  get asking(): boolean {
    return this.#waiting !== null
  }

  handleDenials(handler: DenialHandler): void {
    this.#handler = handler
  }

  /** Puts another token in force. The requests that wait for it are repeated if the principal is the same. */
  replace(token: string | null, { samePrincipal }: { samePrincipal: boolean }): void {
    this.#token = token
    if (!samePrincipal) this.#identity += 1
    const waiting = this.#waiting ?? []
    this.#waiting = null
    for (const resume of waiting) resume()
  }

  /** Waits while another token is being asked for. Rejects when aborted. */
  async ready(signal?: AbortSignal): Promise<void> {
    while (this.#waiting) await this.#replaced(this.#waiting, signal)
  }

  /**
   * Asks for another token after the server refused one. Resolves to whether to repeat the request, which was made with
   * this token and identity. Rejects when aborted.
   */
  async refused(token: string | null, identity: number, signal?: AbortSignal): Promise<boolean> {
    // Another token may have been put in force while the request was in flight.
    if (identity === this.#identity && token === this.#token) {
      if (!this.#handler) return false
      if (!this.#waiting) {
        this.#waiting = []
        this.#handler.refused()
      }
      await this.ready(signal)
    }
    return identity === this.#identity
  }

  forbidden(): void {
    this.#handler?.forbidden()
  }

  #replaced(waiting: (() => void)[], signal?: AbortSignal): Promise<void> {
    return new Promise((resolve, reject) => {
      signal?.throwIfAborted()
      waiting.push(resolve)
      signal?.addEventListener('abort', () => reject(abortReason(signal)), { once: true })
    })
  }
}

function abortReason({ reason }: AbortSignal): Error {
  return reason instanceof Error ? reason : new DOMException(String(reason), 'AbortError')
}

/** The credential of this page. */
export const credential = new Credential()
