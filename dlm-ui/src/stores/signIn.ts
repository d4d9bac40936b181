import { defineStore } from 'pinia'
import { computed, nextTick, ref, shallowRef } from 'vue'
import { api, ApiError } from '../api/client'
import { credential } from '../api/credential'
import type { AccessRule, Role, WhoAmI } from '../api/types'
import { keepToken, loadToken } from '../lib/tokenStorage'
import { allows, prefixesWith } from '../state/access'
import { useClock } from './clock'

/** `open`: the server does not authenticate, so there is no sign-in. */
export type SignInState = 'unknown' | 'open' | 'signed-out' | 'signed-in'

/**
 * Why a dialog asks for a token. `ended`: the server no longer accepts the one in use. `required`: the server did not
 * authenticate before. `other`: the operator wants to use another token, and may change their mind.
 */
export type AskReason = 'ended' | 'required' | 'other'

/** What everybody is on a server that does not authenticate. */
const ANONYMOUS: WhoAmI = { principal: '', rules: [{ role: 'admin', prefix: '' }], expires_at: null }
/** The operator is warned this long before the credential expires. */
const EXPIRY_WARNING_MS = 5 * 60_000
const REFUSED = 'The server does not accept this token. It may be mistyped, expired or withdrawn.'
const ENDED = 'Your sign-in has ended: the token has expired or was withdrawn.'

/** Who uses the page and what they may do. The token itself is in `api/credential.ts`. */
export const useSignIn = defineStore('signIn', () => {
  const clock = useClock()
  const state = ref<SignInState>('unknown')
  const principal = ref('')
  /** Replaced only when they differ. */
  const rules = shallowRef<readonly AccessRule[]>(ANONYMOUS.rules)
  /** When the credential expires, by the server's clock. */
  const expiresAt = ref<number | null>(null)
  /** Grows when another principal may see the page. What the page shows belongs to the one before. */
  const identity = ref(credential.identity)
  const asking = ref<AskReason | null>(null)
  /** Why the operator is not signed in. */
  const notice = ref<string | null>(null)
  /** Whether the token is kept for this tab. */
  const kept = ref(false)
  /** Signed in by a token, as opposed to a client certificate, which a page can't forget. */
  const byToken = ref(false)
  let refreshing: Promise<void> | null = null

  const expiresIn = computed(() => (expiresAt.value === null ? null : expiresAt.value - clock.now))
  const expiresSoon = computed(() => expiresIn.value !== null && expiresIn.value < EXPIRY_WARNING_MS)
  /** The prefixes of the locks that can be seen; `null` if all can. */
  const visiblePrefixes = computed(() => {
    const prefixes = prefixesWith(rules.value, 'observe')
    return prefixes.includes('') ? null : prefixes
  })

  credential.handleDenials({
    refused: () => (asking.value = state.value === 'open' ? 'required' : 'ended'),
    forbidden: () => {
      refreshing ??= refresh()
        .catch(() => undefined)
        .finally(() => (refreshing = null))
    },
  })

  /** Whether the principal has a role on a lock. */
  function may(role: Role, name: string): boolean {
    return allows(rules.value, role, name)
  }

  /** Whether the principal has a role on any lock. */
  function mayAnywhere(role: Role): boolean {
    return prefixesWith(rules.value, role).length > 0
  }

  /** Finds out whether the server authenticates, and whether a token of this tab is good. Rejects if that fails. */
  async function start(signal?: AbortSignal): Promise<void> {
    const token = loadToken()
    const found = await identify(token, signal)
    if (found) {
      kept.value = token !== null
      putInForce(token, found)
      return
    }
    keepToken(null)
    notice.value = token === null ? null : ENDED
    state.value = 'signed-out'
  }

  /** Returns why the token is not accepted, or `null` if it is. */
  async function signIn(token: string, keep: boolean): Promise<string | null> {
    // A header can carry no others, and no token contains any.
    if (!/^[!-~]+$/.test(token)) return 'This is not a token: it contains spaces or special characters.'
    try {
      const found = await identify(token)
      if (!found) return REFUSED
      kept.value = keep
      putInForce(token, found)
      return null
    } catch (error) {
      return error instanceof Error ? error.message : 'Sign-in failed'
    }
  }

  /** Forgets the token and everything that was loaded with it. */
  async function signOut(): Promise<void> {
    keepToken(null)
    asking.value = null
    notice.value = null
    state.value = 'signed-out'
    // The views give up what they hold while the token is still known.
    await nextTick()
    credential.replace(null, { samePrincipal: false })
    identity.value = credential.identity
    kept.value = false
    principal.value = ''
    rules.value = []
    expiresAt.value = null
  }

  /** Asks for another token while the current one is still good. */
  function askForOther(): void {
    asking.value ??= 'other'
  }

  function stopAsking(): void {
    if (asking.value === 'other') asking.value = null
  }

  /** Reads again who the caller is and what it may do. Asks for another token if the server refuses this one. */
  async function refresh(signal?: AbortSignal): Promise<void> {
    const { token, identity } = credential
    const found = await api.whoami(signal).catch(anonymousOfOldServer)
    // Otherwise another sign-in, or a sign-out, has come first.
    if (token !== credential.token || identity !== credential.identity || state.value === 'signed-out') return
    // The token may have been given to another principal.
    if (!isSame(found)) credential.replace(token, { samePrincipal: false })
    apply(found)
  }

  function putInForce(token: string | null, found: WhoAmI): void {
    // A server that does not authenticate needs no token.
    const used = found.principal === '' ? null : token
    keepToken(kept.value ? used : null)
    credential.replace(used, { samePrincipal: isSame(found) })
    asking.value = null
    notice.value = null
    apply(found)
  }

  function isSame(found: WhoAmI): boolean {
    return principal.value === '' || found.principal === '' || principal.value === found.principal
  }

  function apply(found: WhoAmI): void {
    identity.value = credential.identity
    byToken.value = credential.token !== null
    principal.value = found.principal
    if (JSON.stringify(rules.value) !== JSON.stringify(found.rules)) rules.value = found.rules
    expiresAt.value = found.expires_at ? Date.parse(found.expires_at) : null
    state.value = found.principal === '' ? 'open' : 'signed-in'
  }

  return {
    state,
    principal,
    rules,
    identity,
    asking,
    notice,
    kept,
    byToken,
    expiresAt,
    expiresIn,
    expiresSoon,
    visiblePrefixes,
    may,
    mayAnywhere,
    start,
    signIn,
    signOut,
    askForOther,
    stopAsking,
    refresh,
  }
})

/** Who the caller is with a token; `null` if the server refuses it. */
async function identify(token: string | null, signal?: AbortSignal): Promise<WhoAmI | null> {
  try {
    return await api.identify(token, signal).catch(anonymousOfOldServer)
  } catch (error) {
    if (error instanceof ApiError && error.unauthenticated) return null
    throw error
  }
}

/** A server that has no such path does not authenticate. */
function anonymousOfOldServer(error: unknown): WhoAmI {
  if (error instanceof ApiError && error.status === 404) return ANONYMOUS
  throw error
}
