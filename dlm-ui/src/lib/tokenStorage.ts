// The token of a tab. Session storage ends with the tab and is not shared with other tabs.

const KEY = 'dlm.token'

export function loadToken(): string | null {
  try {
    return sessionStorage.getItem(KEY)
  } catch {
    // The browser may deny access to session storage.
    return null
  }
}

/** Keeps the token in this tab across reloads; `null` forgets it. */
export function keepToken(token: string | null): void {
  try {
    if (token === null) sessionStorage.removeItem(KEY)
    else sessionStorage.setItem(KEY, token)
  } catch {
    // The token is then lost with a reload.
  }
}
