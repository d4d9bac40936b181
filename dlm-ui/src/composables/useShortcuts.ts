import { onScopeDispose } from 'vue'
import { useSettings } from '../stores/settings'

/** Page-wide single-key shortcuts. Ignored while a text field or a dialog has the focus. `false` leaves a key to others. */
export function useShortcuts(shortcuts: Record<string, (event: KeyboardEvent) => unknown>): void {
  const settings = useSettings()
  const onKeydown = (event: KeyboardEvent) => {
    if (settings.keys === 'off' || event.ctrlKey || event.metaKey || event.altKey || event.defaultPrevented)
      return
    const target = event.target
    if (target instanceof HTMLElement && target.closest('input, textarea, select, [contenteditable]')) return
    // Space activates the focused button.
    if (event.key === ' ' && target instanceof HTMLElement && target.closest('button')) return
    if (document.querySelector('[role="dialog"], [role="alertdialog"]')) return
    const action = shortcuts[event.key]
    if (!action || action(event) === false) return
    event.preventDefault()
  }
  window.addEventListener('keydown', onKeydown)
  onScopeDispose(() => window.removeEventListener('keydown', onKeydown))
}
