/** A column of an exported table. */
export interface ExportColumn<T> {
  header: string
  value: (row: T) => string | number | boolean | null | undefined
}

/** Downloads values as a JSON Lines file. */
export function saveJsonLines(name: string, values: readonly unknown[]): void {
  saveFile(`${name}.jsonl`, 'application/jsonl', jsonLines(values))
}

export function saveFile(name: string, type: string, text: string): void {
  const url = URL.createObjectURL(new Blob([text], { type }))
  const link = document.createElement('a')
  link.href = url
  link.download = name
  link.click()
  URL.revokeObjectURL(url)
}

export function jsonLines(values: readonly unknown[]): string {
  return values.map((value) => `${JSON.stringify(value)}\n`).join('')
}

/** A table as CSV (RFC 4180), with a line of headers. */
export function csv<T>(columns: readonly ExportColumn<T>[], rows: readonly T[]): string {
  const lines = [
    columns.map(({ header }) => csvCell(header)),
    ...rows.map((row) => columns.map(({ value }) => csvCell(value(row)))),
  ]
  return lines.map((cells) => `${cells.join(',')}\r\n`).join('')
}

/**
 * Where a spreadsheet would read a formula: at the start, and after whatever it may take for the end of a cell. If it
 * separates by semicolons or tabs, quotes inside of a line mean nothing to it. Names and owners come from anyone.
 */
const FORMULA = /(^|[;\t\r\n])(?=[\s"]*[=+\-@＝＋－＠])/g
/** What a cell in quotes may contain, and one without may not. */
const SPECIAL = /[",;\t\r\n']|^\s|\s$/

function csvCell(value: string | number | boolean | null | undefined): string {
  if (typeof value !== 'string') return value === null || value === undefined ? '' : String(value)
  const text = value.replace(FORMULA, "$1'").replace(/^(?=[\t\r])/, "'")
  return SPECIAL.test(text) ? `"${text.replaceAll('"', '""')}"` : text
}
