import type { EventKind } from '../api/types'
import type { IconName } from './Icon.vue'

/** The label, icon and color of each event kind. */
export const EVENT_KINDS: Record<EventKind, { label: string; icon: IconName; tone: string }> = {
  queued: { label: 'queued', icon: 'wait', tone: 'wait' },
  granted: { label: 'granted', icon: 'grant', tone: 'good' },
  released: { label: 'released', icon: 'release', tone: 'muted' },
  expired: { label: 'expired', icon: 'expire', tone: 'warn' },
  force_released: { label: 'force-released', icon: 'force', tone: 'bad' },
  cancelled: { label: 'cancelled', icon: 'cancel', tone: 'muted' },
  wait_timed_out: { label: 'wait timed out', icon: 'expire', tone: 'warn' },
}

export const ALL_EVENT_KINDS = Object.keys(EVENT_KINDS) as EventKind[]
