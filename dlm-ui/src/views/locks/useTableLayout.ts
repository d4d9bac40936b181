import { nextTick, onBeforeUnmount, onMounted, ref, watch, type Ref, type ShallowRef } from 'vue'

/** `wide` has all columns, `medium` most, `narrow` two lines a row, `tight` three. */
export type TableLayout = 'wide' | 'medium' | 'narrow' | 'tight'

/** In rem, so that large text has its place. */
const ROW_REM: Record<TableLayout, number> = { wide: 2.25, medium: 2.25, narrow: 3.75, tight: 5.25 }
/** The least widths of the layouts, in rem. */
const WIDE_REM = 77
const MEDIUM_REM = 50
const NARROW_REM = 19

/** The layout for a width in rem. */
function fitting(width: number): TableLayout {
  if (width >= WIDE_REM) return 'wide'
  if (width >= MEDIUM_REM) return 'medium'
  return width >= NARROW_REM ? 'narrow' : 'tight'
}

/** The layout that the width and the size of the text leave, and the heights that follow, in pixels. */
export function useTableLayout(
  scroller: Readonly<ShallowRef<HTMLElement | null>>,
  head: Readonly<ShallowRef<HTMLElement | null>>,
  printing: Readonly<Ref<boolean>>,
  onChange: () => void,
) {
  const layout = ref<TableLayout>('wide')
  const rowHeight = ref(36)
  const headHeight = ref(0)

  function measure(): void {
    const rem = parseFloat(getComputedStyle(document.documentElement).fontSize)
    const width = (scroller.value?.clientWidth ?? 0) / rem
    // A sheet of paper is narrower than most windows.
    layout.value = printing.value ? 'medium' : fitting(width)
    rowHeight.value = ROW_REM[layout.value] * rem
    void nextTick(() => {
      headHeight.value = head.value?.offsetHeight ?? 0
      onChange()
    })
  }

  watch(printing, measure)
  const resizeObserver = new ResizeObserver(measure)
  onMounted(() => {
    measure()
    if (scroller.value) resizeObserver.observe(scroller.value)
  })
  onBeforeUnmount(() => resizeObserver.disconnect())
  return { layout, rowHeight, headHeight }
}
