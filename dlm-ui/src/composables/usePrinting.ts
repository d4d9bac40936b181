import { onScopeDispose, readonly, ref, type Ref } from 'vue'

/** Whether the page is being printed, which shows more than fits a window. */
export function usePrinting(): Readonly<Ref<boolean>> {
  const query = window.matchMedia('print')
  const printing = ref(query.matches)
  const update = () => (printing.value = query.matches)
  // Before the styles of paper apply, so that what is rendered for it is there in time.
  const begin = () => (printing.value = true)
  query.addEventListener('change', update)
  window.addEventListener('beforeprint', begin)
  window.addEventListener('afterprint', update)
  onScopeDispose(() => {
    query.removeEventListener('change', update)
    window.removeEventListener('beforeprint', begin)
    window.removeEventListener('afterprint', update)
  })
  return readonly(printing)
}
