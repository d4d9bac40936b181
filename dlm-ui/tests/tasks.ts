// What the page's main thread does, in processor time, which excludes what other programs take.
import { expect, type Browser, type Page } from '@playwright/test'

interface TraceEvent {
  name: string
  pid: number
  tid: number
  /** The processor time of a task, in microseconds. */
  tdur?: number
  args: { name?: string }
}

/** Runs so many tasks that do nothing, by which a trace shows that it has those of a page that has nothing to do. */
function runTasks(count: number): Promise<void> {
  return new Promise((resolve) => {
    const { port1, port2 } = new MessageChannel()
    let left = count
    port1.onmessage = () => {
      left -= 1
      if (left > 0) port2.postMessage(null)
      else resolve()
    }
    port2.postMessage(null)
  })
}

const KNOWN_TASKS = 100

/** The longest task on the page's main thread during an action, in milliseconds. */
export async function longestTask(
  browser: Browser,
  page: Page,
  action: () => Promise<unknown>,
): Promise<number> {
  await browser.startTracing(page, { categories: ['toplevel', 'disabled-by-default-devtools.timeline'] })
  await action()
  await page.evaluate(runTasks, KNOWN_TASKS)
  const { traceEvents } = JSON.parse(String(await browser.stopTracing())) as { traceEvents: TraceEvent[] }
  const mainThreads = traceEvents.filter(
    ({ name, args }) => name === 'thread_name' && args.name === 'CrRendererMain',
  )
  const threads = new Set(mainThreads.map(({ pid, tid }) => `${pid} ${tid}`))
  const tasks = traceEvents.filter(
    ({ name, pid, tid }) => /RunTask$/.test(name) && threads.has(`${pid} ${tid}`),
  )
  expect(tasks.length).toBeGreaterThan(KNOWN_TASKS)
  return Math.max(...tasks.map(({ tdur }) => tdur ?? 0)) / 1_000
}

/** The share of a processor that the page's main thread takes during this time. */
export async function processorShare(page: Page, ms: number): Promise<number> {
  const session = await page.context().newCDPSession(page)
  await session.send('Performance.enable', { timeDomain: 'threadTicks' })
  const taskSeconds = async () => {
    const { metrics } = await session.send('Performance.getMetrics')
    return metrics.find(({ name }) => name === 'TaskDuration')?.value ?? Number.NaN
  }
  const before = await taskSeconds()
  await page.waitForTimeout(ms)
  const share = (1_000 * ((await taskSeconds()) - before)) / ms
  await session.detach()
  return share
}

/** What `slowness` runs took on the machine that the limits were set on, in milliseconds. */
const REFERENCE_MS = 48

/** How many times slower this machine runs a page than the one that limits were set on; 1 at least. */
export async function slowness(page: Page): Promise<number> {
  await page.goto('about:blank')
  const best = await page.evaluate(() => {
    const run = () => {
      const start = performance.now()
      const table = document.createElement('table')
      for (let number = 0; number < 1_000; number += 1) {
        const row = table.insertRow()
        for (let column = 0; column < 5; column += 1) row.insertCell().textContent = `cell ${number * column}`
      }
      document.body.replaceChildren(table)
      // Reading the height makes the browser lay the table out.
      const { offsetHeight } = table
      return offsetHeight > 0 ? performance.now() - start : Number.NaN
    }
    return Math.min(...Array.from({ length: 10 }, run))
  })
  return Math.max(1, best / REFERENCE_MS)
}
