import { defineConfig } from '@playwright/test'

/** Measure how soon a page shows something, or need most of the machine. */
const ALONE = ['load', 'overload', 'scale', 'screenshots', 'views', 'workers', 'world', 'world-load'].map(
  (name) => `**/${name}.spec.ts`,
)

export default defineConfig({
  testDir: 'tests',
  outputDir: 'test-results',
  // Each test starts its own server.
  fullyParallel: true,
  // Unless the command line says otherwise, as script/test does for those that may run together.
  workers: 1,
  projects: [
    { name: 'together', testIgnore: ALONE },
    { name: 'alone', testMatch: ALONE },
  ],
  retries: 0,
  // A busy machine may be slow; what measures latency has its own bounds.
  timeout: 180_000,
  expect: { timeout: 20_000 },
  reporter: [['list']],
  use: {
    viewport: { width: 1360, height: 900 },
    timezoneId: 'Europe/Zurich',
    locale: 'en-GB',
    launchOptions: {
      executablePath: process.env['CHROMIUM'] ?? '/usr/bin/chromium',
      args: [
        '--no-sandbox',
        '--disable-gpu',
        '--disable-quic',
        '--no-first-run',
        '--disable-background-networking',
        '--disable-component-update',
        '--disable-sync',
      ],
    },
  },
})
