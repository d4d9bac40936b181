// The first lines of a list; the others are shown when asked for.
import { computed, ref, type Ref } from 'vue'
import { usePageMemory } from '../stores/pageMemory'
import { usePrinting } from './usePrinting'

/** More lines would push what is below out of sight. */
export const MAX_LINES = 5

/** Under its name the page remembers whether all are shown. */
export function useFirstLines<T>(
  name: string,
  all: Readonly<Ref<readonly T[]>>,
  max: () => number = () => MAX_LINES,
) {
  const expanded = ref(false)
  expanded.value = usePageMemory().part(name, () => expanded.value) ?? false
  const printing = usePrinting()
  // Nobody can ask paper for more.
  const lines = computed(() => (expanded.value || printing.value ? all.value : all.value.slice(0, max())))
  /** How many lines there are beyond the first ones. */
  const further = computed(() => (printing.value ? 0 : Math.max(0, all.value.length - max())))
  return { lines, further, expanded }
}
