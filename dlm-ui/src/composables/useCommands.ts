// The commands of the palette.
import { computed } from 'vue'
import { useRoute, useRouter, type RouteLocationRaw } from 'vue-router'
import { atInstant, isPast, NOW } from '../lib/instantRoute'
import { useSavedViews } from '../stores/savedViews'
import { useSettings } from '../stores/settings'
import { useSignIn } from '../stores/signIn'
import { useToast } from '../stores/toast'

export interface Command {
  label: string
  run: () => void
}

export function useCommands(openHelp: () => void) {
  const route = useRoute()
  const router = useRouter()
  const settings = useSettings()
  const signIn = useSignIn()
  const toast = useToast()
  const saved = useSavedViews()

  const go = (label: string, to: RouteLocationRaw): Command => ({ label, run: () => void router.push(to) })
  /** To the past of the same view, and back. */
  const travel = () =>
    isPast(route)
      ? [go('Back to now', atInstant({ query: route.query }, ''))]
      : [go('This page at an earlier instant', atInstant({ query: route.query }, NOW))]
  return computed<Command[]>(() => [
    ...(route.meta.past ? travel() : []),
    ...saved.views.map(({ name, address }) => go(`View: ${name}`, address)),
    go('Go to overview', { name: 'overview' }),
    go('Go to locks', { name: 'locks' }),
    go('Go to owners', { name: 'owners' }),
    go('Go to the locks at an earlier instant', { name: 'locks', query: { at: NOW } }),
    go('Go to events', { name: 'events' }),
    ...(signIn.mayAnywhere('lock') ? [go('Go to playground', { name: 'playground' })] : []),
    ...(signIn.mayAnywhere('admin') ? [go('Force-release several leases', { name: 'release' })] : []),
    go('Locks with waiters', { name: 'locks', query: { state: 'waiting', sort: 'oldest' } }),
    go('Locks held longest', { name: 'locks', query: { sort: 'held' } }),
    go('Locks held longer than usual', { name: 'locks', query: { sort: 'usual' } }),
    { label: 'Copy a link to this page', run: () => void toast.copy(location.href) },
    { label: 'Theme: system', run: () => (settings.theme = 'system') },
    { label: 'Theme: light', run: () => (settings.theme = 'light') },
    { label: 'Theme: dark', run: () => (settings.theme = 'dark') },
    { label: 'Times: relative', run: () => (settings.times = 'relative') },
    { label: 'Times: absolute', run: () => (settings.times = 'absolute') },
    { label: 'Time zone: UTC', run: () => (settings.zone = 'utc') },
    { label: 'Time zone: local', run: () => (settings.zone = 'local') },
    { label: 'Help and keyboard shortcuts', run: openHelp },
  ])
}
