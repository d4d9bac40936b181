// JSON in local storage, which a browser may deny, and which an older or newer page may have written.

/** What `check` makes of the stored value; `null` is passed if there is none that can be read. */
export function loadJson<T>(name: string, check: (value: unknown) => T): T {
  try {
    return check(JSON.parse(localStorage.getItem(`dlm.${name}`) ?? 'null'))
  } catch {
    return check(null)
  }
}

export function saveJson(name: string, value: unknown): void {
  try {
    localStorage.setItem(`dlm.${name}`, JSON.stringify(value))
  } catch {
    // What was to be stored then applies until the page is closed.
  }
}
