import { onScopeDispose } from 'vue'
import { useSettings } from '../stores/settings'

/** Keys that do something anywhere on the page, except where one types. */
export function useShortcuts(keys: Record<string, (event: KeyboardEvent) => void>): void {
  const settings = useSettings()
  const pressed = (event: KeyboardEvent) => {
    if (settings.keys === 'off' || event.ctrlKey || event.metaKey || event.altKey || event.defaultPrevented)
      return
    const target = event.target
    if (target instanceof HTMLElement && target.closest('input, textarea, select, [contenteditable]')) return
    // Space is how a button is pressed.
    if (event.key === ' ' && target instanceof HTMLElement && target.closest('button')) return
    // A dialog has the keyboard to itself.
    if (document.querySelector('[role="dialog"], [role="alertdialog"]')) return
    const action = keys[event.key]
    if (!action) return
    event.preventDefault()
    action(event)
  }
  window.addEventListener('keydown', pressed)
  onScopeDispose(() => window.removeEventListener('keydown', pressed))
}
