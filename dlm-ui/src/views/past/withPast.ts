import { computed, defineComponent, h, watch, type Component } from 'vue'
import { useRoute } from 'vue-router'
import { isPast } from '../../lib/instantRoute'

/** A view with two faces: as it is, and as it was at the instant in the address. */
export function withPast(present: Component, past: Component): Component {
  return defineComponent(() => {
    const route = useRoute()
    const travelling = computed(() => isPast(route))
    watch(
      travelling,
      () => {
        // What had the focus may be gone, as the button that leads back to now.
        if (document.activeElement === document.body) document.querySelector<HTMLElement>('#main')?.focus()
      },
      { flush: 'post' },
    )
    // Nothing of one lock or owner is shown as that of another while it loads.
    return () => (travelling.value ? h(past, { key: route.path }) : h(present))
  })
}
