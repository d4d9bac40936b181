// Names that look like another name: what is invisible, or of another script, is marked.

/** A part of a text, and what is shown for it if its characters do not tell themselves apart. */
export interface TextPart {
  text: string
  mark: 'space' | 'invisible' | 'look-alike' | null
  /** Says what the characters are. */
  title?: string
}

/** Printable ASCII without spaces at either end or in a row: it looks as it is. */
const PLAIN = /^[!-~]+(?: [!-~]+)*$/
/** Spaces other than the ordinary one, which look like it. */
const OTHER_SPACES = /^[^\S ]$/u
/** Format characters, fillers and variation selectors have no width. */
const INVISIBLE = /^[\p{Cf}\p{Mn}\u115f\u1160\u3164\uffa0\u2800]$/u
/** Letters, most of other scripts, that are drawn like an ordinary Latin letter. */
const LOOK_ALIKES = /^[ɡАВЕЅІЈКМНОРСТУХҮӀԌԚԜаеіјорсѕухһӏԁԛԝүΑΒΕΖΗΙΚΜΝΟΡΤΥΧϳοανιρϲᴀ-ᴢꓐ-ꓽᎪᎷᏀᏚᏢᏔոսօցհ]$/u
/** What is drawn like a hyphen, slash, colon, comma, quote, bar, tilde, asterisk or exclamation mark. */
const PUNCTUATION = /^[‐-―−⁃﹘∕⁄⧸꞉∶ː‚‘’‛“”′″ʹʼ∣ǀ∼∗ǃ]$/u
/** Digits, of which some are drawn like an ASCII digit. */
const OTHER_DIGITS = /^[^\P{Nd}0-9]$/u
const LETTER = /^\p{L}$/u
const WORD = /\p{L}+/gu
const LATIN = /\p{Script=Latin}/u
const ALL_LATIN = /^[\p{Script=Latin}\P{L}]*$/u

/** Splits a text into parts, so that two texts that differ are shown differently. */
export function exactParts(text: string): TextPart[] {
  if (PLAIN.test(text)) return [{ text, mark: null }]
  const foreign = foreignLetters(text)
  // With letters of their script they are what they seem.
  if (ALL_LATIN.test(text)) addMatches(foreign, text, OTHER_DIGITS)
  addMatches(foreign, text, PUNCTUATION)
  const parts: TextPart[] = []
  let at = 0
  let before: string | undefined
  for (const character of text) {
    const [next] = text.slice(at + character.length)
    const part = foreign.has(at)
      ? ({ text: character, mark: 'look-alike', title: codePoint(character) } as const)
      : markOf(character, before, next)
    at += character.length
    before = character
    const last = parts.at(-1)
    if (part.mark === null && last?.mark === null) last.text += character
    else parts.push(part)
  }
  return parts
}

function markOf(character: string, before: string | undefined, after: string | undefined): TextPart {
  const title = codePoint(character)
  if (character === ' ') {
    const visible = before !== undefined && after !== undefined && before !== ' ' && after !== ' '
    return visible ? { text: character, mark: null } : { text: character, mark: 'space', title: 'space' }
  }
  if (isInvisible(character, before)) return { text: character, mark: 'invisible', title }
  if (OTHER_SPACES.test(character)) return { text: character, mark: 'space', title }
  if (isStyled(character)) return { text: character, mark: 'look-alike', title }
  return { text: character, mark: null }
}

/** A combining mark shows on a letter that has no composed form with it; otherwise it looks like the composed letter. */
function isInvisible(character: string, before: string | undefined): boolean {
  if (!INVISIBLE.test(character)) return false
  if (!/\p{Mn}/u.test(character)) return true
  return before === undefined || (before + character).normalize('NFC').length < (before + character).length
}

/**
 * Where the text has letters that pass for Latin ones: among Latin letters, or in a word of nothing else. In a word that
 * shows its script by another letter they are what they seem.
 */
function foreignLetters(text: string): Set<number> {
  const found = new Set<number>()
  for (const { 0: word, index } of text.matchAll(WORD)) {
    if (!LATIN.test(word) && ![...word].every((letter) => LOOK_ALIKES.test(letter))) continue
    let at = index
    for (const letter of word) {
      if (LOOK_ALIKES.test(letter)) found.add(at)
      at += letter.length
    }
  }
  return found
}

function addMatches(found: Set<number>, text: string, kind: RegExp): void {
  let at = 0
  for (const character of text) {
    if (kind.test(character)) found.add(at)
    at += character.length
  }
}

/** Full-width and other styled forms of a character. */
function isStyled(character: string): boolean {
  const compatible = character.normalize('NFKC')
  return compatible !== character && (LETTER.test(character) || /^[!-~]+$/.test(compatible))
}

function codePoint(character: string): string {
  return `U+${(character.codePointAt(0) ?? 0).toString(16).toUpperCase().padStart(4, '0')}`
}
