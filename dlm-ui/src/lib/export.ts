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

/** A spreadsheet runs a text that begins so as a formula. Names and owners come from anyone. */
const FORMULA = /^[=+\-@\t\r]/

function csvCell(value: string | number | boolean | null | undefined): string {
  if (typeof value !== 'string') return value === null || value === undefined ? '' : String(value)
  const text = FORMULA.test(value) ? `'${value}` : value
  return /[",\r\n']|^\s|\s$/.test(text) ? `"${text.replaceAll('"', '""')}"` : text
}
