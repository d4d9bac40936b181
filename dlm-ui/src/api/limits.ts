// Generated from the OpenAPI document of dlm-server by `npm run types`. Do not edit.

export const AWAY_GRACE_MS = 10_000
export const DEFAULT_PAGE = 100
export const DEFAULT_TTL_MS = 30_000
export const LONG_WAIT_MS = 30_000
export const MAX_HOLDERS_SHOWN = 100
export const MAX_HOLD_MS = 20_000
export const MAX_HOLD_STATISTICS = 100
export const MAX_KEY_BYTES = 255
export const MAX_METADATA_BYTES = 4_096
export const MAX_NAME_BYTES = 256
export const MAX_OWNER_BYTES = 256
export const MAX_PAGE = 1_000
export const MAX_REASON_BYTES = 1_024
export const MAX_TTL_MS = 86_400_000
export const MAX_WAITERS_SHOWN = 100
export const MAX_WAIT_MS = 86_400_000
export const MAX_WITHIN_MS = 3_600_000
export const MIN_TTL_MS = 100
export const MIN_WITHIN_MS = 1_000
export const OVERVIEW_SECONDS = 300
