import type { EventKind } from '../api/types'
import type { IconName } from './Icon.vue'

/** How a kind of event is shown everywhere. */
export const KINDS: Record<EventKind, { word: string; icon: IconName; tone: string }> = {
  queued: { word: 'queued', icon: 'wait', tone: 'wait' },
  granted: { word: 'granted', icon: 'grant', tone: 'good' },
  released: { word: 'released', icon: 'release', tone: 'soft' },
  expired: { word: 'expired', icon: 'expire', tone: 'warn' },
  force_released: { word: 'force-released', icon: 'force', tone: 'bad' },
  cancelled: { word: 'cancelled', icon: 'cancel', tone: 'soft' },
  wait_timed_out: { word: 'wait timed out', icon: 'expire', tone: 'warn' },
}

export const KIND_NAMES = Object.keys(KINDS) as EventKind[]
