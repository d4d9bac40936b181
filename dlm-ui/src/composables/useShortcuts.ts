import { onScopeDispose } from 'vue'

/** Keys that do something anywhere on the page, except where one types. */
export function useShortcuts(keys: Record<string, (event: KeyboardEvent) => void>): void {
  const pressed = (event: KeyboardEvent) => {
    if (event.ctrlKey || event.metaKey || event.altKey || event.defaultPrevented) return
    const target = event.target
    if (target instanceof HTMLElement && target.closest('input, textarea, select, [contenteditable]')) return
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
