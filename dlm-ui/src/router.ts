import { createRouter, createWebHistory, type RouteLocationNormalized } from 'vue-router'
import EventsView from './views/events/EventsView.vue'
import LockView from './views/lock/LockView.vue'
import LocksView from './views/locks/LocksView.vue'
import OwnersView from './views/owners/OwnersView.vue'
import OwnerView from './views/owners/OwnerView.vue'
import PrincipalView from './views/owners/PrincipalView.vue'
import OverviewView from './views/overview/OverviewView.vue'
import ReleaseView from './views/release/ReleaseView.vue'
import StateView from './views/state/StateView.vue'
import PlaygroundView from './views/playground/PlaygroundView.vue'
import NotFoundView from './views/NotFoundView.vue'

declare module 'vue-router' {
  interface RouteMeta {
    title?: string
  }
}

export const router = createRouter({
  history: createWebHistory(),
  routes: [
    { path: '/', name: 'overview', component: OverviewView, meta: { title: 'Overview' } },
    { path: '/locks', name: 'locks', component: LocksView, meta: { title: 'Locks' } },
    { path: '/locks/:name', name: 'lock', component: LockView, meta: { title: 'Lock' } },
    // An address that was typed, in which the slashes of a name are not encoded.
    {
      path: '/locks/:name(.+/.+)',
      redirect: ({ params }) => ({ name: 'lock', params: { name: String(params['name']) } }),
    },
    { path: '/events', name: 'events', component: EventsView, meta: { title: 'Events' } },
    // Strict, since the owner without a name is at `/owners/`.
    { path: '/owners', name: 'owners', component: OwnersView, strict: true, meta: { title: 'Owners' } },
    {
      path: '/owners/:owner(.*)',
      name: 'owner',
      component: OwnerView,
      strict: true,
      meta: { title: 'Owner' },
    },
    {
      path: '/principals/:principal',
      name: 'principal',
      component: PrincipalView,
      meta: { title: 'Principal' },
    },
    { path: '/state', name: 'state', component: StateView, meta: { title: 'Locks at an instant' } },
    { path: '/release', name: 'release', component: ReleaseView, meta: { title: 'Force-release' } },
    { path: '/playground', name: 'playground', component: PlaygroundView, meta: { title: 'Playground' } },
    { path: '/:rest(.*)', name: 'not-found', component: NotFoundView, meta: { title: 'Not found' } },
  ],
})

export function pageTitle(to: RouteLocationNormalized): string {
  const subject = to.params['name'] ?? to.params['owner'] ?? to.params['principal']
  const name = subject ? String(subject) : to.meta.title
  return name ? `${name} · dlm` : 'dlm'
}
