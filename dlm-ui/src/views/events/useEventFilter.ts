import { computed } from 'vue'
import type { EventKind } from '../../api/types'
import { ALL_EVENT_KINDS } from '../../components/eventKinds'
import { instant, text, useUrlState } from '../../composables/useUrlState'

/** Which events to show, as the address says. */
export function useEventFilter() {
  const prefix = useUrlState('prefix', text, '')
  const resource = useUrlState('resource', text, '')
  const owner = useUrlState('owner', text, '')
  const principal = useUrlState('principal', text, '')
  const from = useUrlState('from', instant, '')
  const to = useUrlState('to', instant, '')
  const kindNames = useUrlState('kinds', text, '')
  /** None are all. */
  const kinds = computed<EventKind[]>(() => {
    const names = kindNames.value.split(',')
    return ALL_EVENT_KINDS.filter((kind) => names.includes(kind))
  })
  function toggle(kind: EventKind): void {
    const next = kinds.value.includes(kind)
      ? kinds.value.filter((other) => other !== kind)
      : [...kinds.value, kind]
    kindNames.value = next.join(',')
  }
  const filter = computed(() => ({
    prefix: prefix.value,
    resource: resource.value,
    owner: owner.value,
    principal: principal.value,
    from: from.value,
    to: to.value,
    kinds: kinds.value,
  }))
  const filtered = computed(() => Object.values(filter.value).some((part) => part.length > 0))
  return { prefix, resource, owner, principal, from, to, kinds, toggle, filter, filtered }
}
