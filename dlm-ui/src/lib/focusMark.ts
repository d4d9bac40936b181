// Finds an element again on a page that was rendered again.

/** What tells an element apart from the others of its page. */
export interface FocusMark {
  /** The key of its row; `null` outside of rows. */
  row: string | null
  /** Its kind, and where it leads or what it says. */
  label: string
  /** Its place among those that are equal otherwise. */
  index: number
  /** How far below the top of the window it was, in pixels. */
  top: number
  /** How far what it is in was scrolled, from the innermost element on. */
  scrolled: number[]
}

/** The elements that it is in, up to the page. */
function ancestors(page: ParentNode, element: Element): Element[] {
  const found: Element[] = []
  for (let at = element.parentElement; at && at !== page; at = at.parentElement) found.push(at)
  return found
}

function rowOf(element: Element): HTMLElement | null {
  return element.closest<HTMLElement>('[data-row]')
}

function labelOf(element: Element): string {
  const said = element.getAttribute('aria-label') ?? element.textContent.trim()
  return [element.tagName, element.getAttribute('href') ?? '', said].join(' ')
}

/** The elements of the page that are like this one, in the same row. */
function alike(page: ParentNode, tag: string, row: string | null, label: string): HTMLElement[] {
  const candidates = [...page.querySelectorAll<HTMLElement>(tag)]
  return candidates.filter(
    (candidate) => (rowOf(candidate)?.dataset['row'] ?? null) === row && labelOf(candidate) === label,
  )
}

/** The mark of an element of the page; `null` if it is not one that is focused by its row, link or name. */
export function markFocus(page: Element, element: Element | null): FocusMark | null {
  if (!element || element === page || !page.contains(element)) return null
  const row = rowOf(element)?.dataset['row'] ?? null
  const label = labelOf(element)
  const index = alike(page, element.tagName, row, label).findIndex((candidate) => candidate === element)
  const scrolled = ancestors(page, element).map(({ scrollTop }) => scrollTop)
  return { row, label, index, top: element.getBoundingClientRect().top, scrolled }
}

/** Scrolls what the element is in as it was. */
export function scrollWithin(page: ParentNode, element: Element, { scrolled }: FocusMark): void {
  ancestors(page, element).forEach((ancestor, index) => {
    const before = scrolled[index] ?? 0
    if (before > 0) ancestor.scrollTop = before
  })
}

/** The element with this mark; `null` if the page does not have it, or not yet. */
export function findMarked(page: ParentNode, { row, label, index }: FocusMark): HTMLElement | null {
  const [tag = ''] = label.split(' ', 1)
  return alike(page, tag, row, label)[index] ?? null
}
