import { computed } from 'vue'
import type { EventKind } from '../../api/types'
import { ALL_EVENT_KINDS } from '../../components/eventKinds'
import { text, useUrlState } from '../../composables/useUrlState'

/** The kinds of events in the address; none are all. */
export function useKinds() {
  const parameter = useUrlState('kinds', text, '')
  const kinds = computed<EventKind[]>(() => {
    const names = parameter.value.split(',')
    return ALL_EVENT_KINDS.filter((kind) => names.includes(kind))
  })
  function toggle(kind: EventKind): void {
    const next = kinds.value.includes(kind)
      ? kinds.value.filter((other) => other !== kind)
      : [...kinds.value, kind]
    parameter.value = next.join(',')
  }
  return { kinds, toggle }
}
