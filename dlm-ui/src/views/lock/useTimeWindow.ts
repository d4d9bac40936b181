// The window of a timeline: the last minutes, which move on, or a part that was zoomed or dragged to, which stays.
import { computed, ref } from 'vue'
import { text, useUrlState } from '../../composables/useUrlState'
import { formatWindow, pan, parseWindow, zoom, type TimeWindow } from '../../state/timeWindow'

const ZOOM_STEP = 0.5
const PAN_SHARE = 0.5
/** A click is no drag. */
const MIN_DRAG_PX = 4

export interface TimeWindowOptions {
  /** The window that moves on. */
  live: () => TimeWindow
  now: () => number
  /** Of the chart, in pixels. */
  width: () => number
}

export type WindowListeners = ReturnType<typeof useTimeWindow>['listeners']

export function useTimeWindow({ live, now, width }: TimeWindowOptions) {
  const parameter = useUrlState('window', text, '')
  /** While it is dragged, the address is left alone. */
  const dragged = ref<TimeWindow | null>(null)
  const pinned = computed(() => dragged.value ?? parseWindow(parameter.value))
  const window = computed(() => pinned.value ?? live())
  /** Where the pointer is, from the left of the chart; `null` if it is elsewhere. */
  const pointer = ref<number | null>(null)
  let drag: { x: number; window: TimeWindow } | null = null

  const at = (x: number) =>
    window.value.from + (x / Math.max(1, width())) * (window.value.to - window.value.from)
  /** The instant under the pointer. */
  const crosshair = computed(() => (pointer.value === null ? null : at(pointer.value)))

  function pin(next: TimeWindow): void {
    parameter.value = formatWindow(next)
  }

  function zoomBy(factor: number, around: number): void {
    pin(zoom(window.value, around, factor, now()))
  }

  /** Without a pointer, the middle is looked at; of what moves on, the end. */
  const focus = () => (pinned.value ? (window.value.from + window.value.to) / 2 : window.value.to)

  function place(event: PointerEvent): number {
    const box =
      event.currentTarget instanceof HTMLElement ? event.currentTarget.getBoundingClientRect() : null
    return box ? Math.min(width(), Math.max(0, event.clientX - box.left)) : 0
  }

  const listeners = {
    pointerdown: (event: PointerEvent) => {
      // A finger scrolls the page.
      if (event.button !== 0 || event.pointerType === 'touch') return
      drag = { x: place(event), window: window.value }
      if (event.currentTarget instanceof HTMLElement) event.currentTarget.setPointerCapture(event.pointerId)
    },
    pointermove: (event: PointerEvent) => {
      pointer.value = place(event)
      if (!drag) return
      const moved = pointer.value - drag.x
      if (dragged.value === null && Math.abs(moved) < MIN_DRAG_PX) return
      const { from, to } = drag.window
      dragged.value = pan(drag.window, (-moved / Math.max(1, width())) * (to - from), now())
    },
    pointerup: () => {
      if (dragged.value) pin(dragged.value)
      dragged.value = null
      drag = null
    },
    pointercancel: () => {
      dragged.value = null
      drag = null
    },
    pointerleave: () => {
      pointer.value = null
    },
    /** With a modifier, since the wheel alone scrolls the page. */
    wheel: (event: WheelEvent) => {
      if (!event.ctrlKey && !event.shiftKey) return
      event.preventDefault()
      const turned = event.deltaY || event.deltaX
      zoomBy(turned > 0 ? 1 / ZOOM_STEP : ZOOM_STEP, crosshair.value ?? focus())
    },
  }

  return {
    window,
    pinned: computed(() => pinned.value !== null),
    pointer,
    crosshair,
    listeners,
    zoomIn: () => zoomBy(ZOOM_STEP, focus()),
    zoomOut: () => zoomBy(1 / ZOOM_STEP, focus()),
    earlier: () => pin(pan(window.value, -PAN_SHARE * (window.value.to - window.value.from), now())),
    later: () => pin(pan(window.value, PAN_SHARE * (window.value.to - window.value.from), now())),
    release: () => (parameter.value = ''),
  }
}
