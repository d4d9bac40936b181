// Reads the JSON of `npm audit` from standard input. Prints `none` or `found`, and the
// vulnerabilities to standard error; `unknown` if it is not a report.

import { readFileSync } from 'node:fs'

function read() {
  try {
    return JSON.parse(readFileSync(0, 'utf8'))
  } catch {
    return {}
  }
}

const report = read()
const total = report.metadata?.vulnerabilities?.total
if (report.auditReportVersion === undefined || !Number.isInteger(total)) {
  console.log('unknown')
} else {
  for (const { name, severity, range, via } of Object.values(report.vulnerabilities)) {
    const reasons = via.map((reason) => reason.title ?? `it depends on ${reason}`)
    console.error(`${severity}: ${name} ${range}: ${reasons.join('; ')}`)
  }
  console.log(total > 0 ? 'found' : 'none')
}
