import { expect, test } from 'vitest'
import { csv, jsonLines } from './export'

const columns = [
  { header: 'Name', value: (row: { name: string }) => row.name },
  { header: 'Length', value: (row: { name: string }) => row.name.length },
]

test('a table has a line of headers and one for each row', () => {
  expect(csv(columns, [{ name: 'a' }, { name: 'bc' }])).toBe('Name,Length\r\na,1\r\nbc,2\r\n')
})

test('a text with a separator, a quote or a line break is one cell', () => {
  expect(csv(columns, [{ name: 'a,"b"\n' }])).toBe('Name,Length\r\n"a,""b""\n",6\r\n')
})

test.each(['=1+1', '+1', '-1', '@SUM(A1)', '＝1', '\ta'])('%j is not run as a formula', (name) => {
  expect(csv(columns.slice(0, 1), [{ name }])).toBe(`Name\r\n"'${name}"\r\n`)
})

/** The cells of a line as a program reads them that separates by something else, and knows quotes only around a cell. */
const cells = (line: string, separator: string) =>
  line.split(separator).map((cell) => cell.replace(/^"+/, '').trimStart())

test.each([';', '\t', '\n'])('nothing is run as a formula by a program that separates by %j', (separator) => {
  for (const formula of ['=1+1', ' =1', '"=1', '-1', '@A1']) {
    const name = `a${separator}${formula}${separator}b`
    const table = csv(
      [
        { header: 'N', value: () => 1 },
        { header: 'Name', value: () => name },
      ],
      [null],
    )
    for (const cell of cells(table, separator)) expect(cell).not.toMatch(/^[=+\-@]/)
  }
})

test('a text with a semicolon or a tab is in quotes', () => {
  expect(csv(columns.slice(0, 1), [{ name: 'a;b' }, { name: 'a\tb' }])).toBe('Name\r\n"a;b"\r\n"a\tb"\r\n')
})

test('numbers stay numbers, and what is missing is empty', () => {
  const value = (row: number | null) => row
  expect(csv([{ header: 'N', value }], [-1, null])).toBe('N\r\n-1\r\n\r\n')
})

test('JSON Lines has a value on each line', () => {
  expect(jsonLines([{ a: 1 }, 'b'])).toBe('{"a":1}\n"b"\n')
})
