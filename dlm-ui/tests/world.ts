// A busy world, made by programs that use the client, and the views of it.
import type { Locator, Page } from '@playwright/test'
import { test as base, expect } from './fixtures'
import { TestServer } from './server'

interface WorldFixtures {
  /** Fails the test on errors in the console, and if a worker of the world fails. */
  errors: undefined
}

/** One world for all tests of a process, since it takes seconds to build. */
export const test = base.extend<WorldFixtures, { world: { server: TestServer; failures: () => string[] } }>({
  world: [
    // eslint-disable-next-line no-empty-pattern
    async ({}, use) => {
      const server = await TestServer.start()
      const world = await server.startWorld()
      await use({ server, failures: world.failures })
      await server.stop()
    },
    { scope: 'worker', timeout: 120_000 },
  ],
  server: async ({ world }, use) => use(world.server),
  errors: [
    async ({ page, world }, use) => {
      const errors: string[] = []
      page.on('console', (message) => {
        if (message.type() === 'error') errors.push(message.text())
      })
      await use(undefined)
      expect([...errors, ...world.failures()]).toEqual([])
    },
    { auto: true },
  ],
})

export { expect }

export interface View {
  name: string
  path: () => string
  /** What a person does after the page was opened, for dialogs. */
  prepare?: (page: Page) => Promise<unknown>
  /** Is visible once the view has its data. */
  shown: (page: Page) => Locator
  /** What a person most likely does here. */
  action: (page: Page) => Locator
}

const force = (page: Page) => page.getByRole('button', { name: 'Force-release…' }).first()

function lock(name: string, resource: string, action = force): View {
  return {
    name,
    path: () => `/locks/${encodeURIComponent(resource)}`,
    shown: (page) => page.getByTestId('token'),
    action,
  }
}

function dialog(name: string, button: string, action: View['action']): View {
  return {
    name,
    path: () => '/',
    prepare: (page) => page.getByRole('button', { name: button }).click(),
    shown: (page) => page.getByRole('dialog'),
    action,
  }
}

/** A view as it was a moment ago, whose rows have this test id. */
function past(name: string, path: string, rows: string): View {
  return {
    name,
    path: () => `${path}?at=${new Date(Date.now() - 1_000).toISOString()}`,
    shown: (page) => page.getByTestId(rows).first(),
    action: (page) => page.getByRole('slider', { name: 'Instant' }),
  }
}

export const VIEWS: readonly View[] = [
  {
    name: 'overview',
    path: () => '/',
    shown: (page) => page.getByText('Possible deadlock'),
    action: (page) => page.locator('[aria-labelledby=wait-chains]').getByRole('link').first(),
  },
  {
    name: 'locks',
    path: () => '/locks',
    shown: (page) => page.getByRole('gridcell').first(),
    action: (page) => page.getByRole('grid'),
  },
  // Its holder changes a thousand times a second.
  lock('lock-hot', 'billing/invoice-number', (page) => page.getByRole('button', { name: 'Incident' })),
  lock('lock-queue', 'migrate/db/main'),
  lock('lock-readers', 'config/feature-flags'),
  lock('lock-deadlock', 'accounts/1'),
  lock('lock-hostile', '<img src=x onerror=alert(1)>'),
  {
    name: 'events',
    path: () => '/events',
    shown: (page) => page.getByTestId('event').first(),
    action: (page) => page.getByRole('button', { name: 'Pause' }),
  },
  {
    name: 'owners',
    path: () => '/owners',
    shown: (page) => page.getByTestId('owner').first(),
    action: (page) => page.getByTestId('owner').first().getByRole('link').first(),
  },
  {
    name: 'owner',
    path: () => '/owners/transfer-1%40bank-1',
    shown: (page) => page.getByTestId('wait').first(),
    action: (page) => page.getByTestId('hold').first().getByRole('link').first(),
  },
  {
    name: 'release',
    path: () => '/release?prefix=pipeline%2F',
    shown: (page) => page.getByTestId('plan'),
    action: (page) => page.getByLabel(/Reason/),
  },
  {
    name: 'playground',
    path: () => '/playground?name=migrate%2Fdb%2Fmain',
    shown: (page) => page.getByTestId('client-a'),
    action: (page) => page.getByTestId('client-a').getByRole('button', { name: 'Acquire' }),
  },
  dialog('settings', 'Settings', (page) => page.getByRole('dialog').getByRole('radio').first()),
  dialog('help', 'Help and keyboard shortcuts', (page) =>
    page.getByRole('dialog').getByRole('button', { name: 'Close' }),
  ),
  past('past-overview', '/', 'queue'),
  past('past-locks', '/locks', 'past'),
  past('past-lock', '/locks/migrate%2Fdb%2Fmain', 'holder'),
  past('past-owners', '/owners', 'owner'),
  past('past-owner', '/owners/flyway%40deploy-9921', 'hold'),
  past('past-events', '/events', 'event'),
  {
    name: 'groups',
    path: () => '/locks?group=1',
    shown: (page) => page.getByTestId('group').first(),
    action: (page) => page.getByTestId('group').first().locator('a, button'),
  },
  {
    name: 'force-release',
    path: () => '/locks/migrate%2Fdb%2Fmain',
    prepare: (page) => force(page).click(),
    shown: (page) => page.getByRole('alertdialog'),
    action: (page) => page.getByLabel(/Reason/),
  },
  {
    name: 'ask',
    path: () => '/locks/migrate%2Fdb%2Fmain',
    prepare: (page) => page.getByRole('button', { name: 'Ask…' }).first().click(),
    shown: (page) => page.getByRole('dialog'),
    action: (page) => page.getByLabel(/Reason/),
  },
  {
    name: 'palette',
    path: () => '/',
    prepare: async (page) => {
      await page.getByRole('button', { name: 'Find anything' }).click()
      await page.getByRole('dialog').getByRole('combobox').fill('migrate')
    },
    shown: (page) => page.getByTestId('choice').first(),
    action: (page) => page.getByRole('dialog').getByRole('combobox'),
  },
]

/** The views whose cost is measured: also the page of an owner that gets the hot lock all the time. */
export const MEASURED: readonly View[] = [
  ...VIEWS,
  {
    name: 'owner-hot',
    path: () => '/owners/billing-01%40worker-1',
    shown: (page) => page.getByTestId('event').first(),
    action: (page) => page.getByRole('link', { name: 'As events' }),
  },
]

/** Opens a view and waits until it has its data. */
export async function openView(page: Page, server: TestServer, view: View): Promise<void> {
  await page.goto(`${server.url}${view.path()}`)
  await view.prepare?.(page)
  await expect(view.shown(page)).toBeVisible({ timeout: 60_000 })
}
