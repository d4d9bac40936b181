// The time that an element shows. Of a long table only what is in sight follows each second.
import { computed, onBeforeUnmount, onMounted, ref, useTemplateRef, type ComputedRef } from 'vue'
import { useConnection } from '../stores/connection'
import { useSight } from '../stores/sight'

/** The time of the page for the element with the template reference `root`: to ten seconds while it is out of sight. */
export function useTimeInSight(): ComputedRef<number> {
  const connection = useConnection()
  const sight = useSight()
  const root = useTemplateRef<Element>('root')
  const inSight = ref(true)
  let watched: Element | null = null
  onMounted(() => {
    watched = root.value
    if (watched) sight.watch(watched, (now) => (inSight.value = now))
  })
  onBeforeUnmount(() => {
    if (watched) sight.unwatch(watched)
  })
  return computed(() => (inSight.value ? connection.asOf : connection.roughlyAsOf))
}
