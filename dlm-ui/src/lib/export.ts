/** Downloads values as a JSON Lines file. */
export function saveJsonLines(name: string, values: readonly unknown[]): void {
  const url = URL.createObjectURL(new Blob([jsonLines(values)], { type: 'application/jsonl' }))
  const link = document.createElement('a')
  link.href = url
  link.download = `${name}.jsonl`
  link.click()
  URL.revokeObjectURL(url)
}

export function jsonLines(values: readonly unknown[]): string {
  return values.map((value) => `${JSON.stringify(value)}\n`).join('')
}
