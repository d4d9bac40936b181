// Conditions that need an operator's attention.
import type { Overview } from '../api/types'

/** This many expirations within a minute point to a common cause rather than one crashed client. */
export const MASS_EXPIRATION_COUNT = 10
const WINDOW_SECONDS = 60

export interface Alert {
  kind: 'long-wait' | 'expired' | 'mass-expiration'
  /** `null` if the alert is not about a single lock. */
  resource: string | null
  owner: string
  /** When the condition occurred or began. */
  at: string
  count: number
}

/** Identifies an alert across updates. */
export function alertKey({ kind, resource, at, owner }: Alert): string {
  return kind === 'mass-expiration' ? kind : JSON.stringify([kind, resource, at, owner])
}

/** All current alerts, the most severe first. */
export function findAlerts(overview: Overview): Alert[] {
  const alerts: Alert[] = overview.long_waits.map((wait) => ({
    kind: 'long-wait',
    resource: wait.resource,
    owner: wait.owner,
    at: wait.enqueued_at,
    count: 1,
  }))
  const recent = overview.seconds.slice(-WINDOW_SECONDS)
  const expirations = recent.reduce((sum, second) => sum + second.expired, 0)
  if (expirations >= MASS_EXPIRATION_COUNT) {
    const first = recent.find((second) => second.expired > 0)
    alerts.push({
      kind: 'mass-expiration',
      resource: null,
      owner: '',
      at: first?.at ?? overview.at,
      count: expirations,
    })
  }
  for (const lease of overview.expired) {
    alerts.push({ kind: 'expired', resource: lease.resource, owner: lease.owner, at: lease.at, count: 1 })
  }
  return alerts
}
