import { createRouter, createWebHistory, type RouteLocationNormalized } from 'vue-router'
import EventsView from './views/events/EventsView.vue'
import LockView from './views/lock/LockView.vue'
import LocksView from './views/locks/LocksView.vue'
import OwnersView from './views/owners/OwnersView.vue'
import OwnerView from './views/owners/OwnerView.vue'
import PrincipalView from './views/owners/PrincipalView.vue'
import OverviewView from './views/overview/OverviewView.vue'
import ReleaseView from './views/release/ReleaseView.vue'
import PlaygroundView from './views/playground/PlaygroundView.vue'
import NotFoundView from './views/NotFoundView.vue'
import PastEvents from './views/past/PastEvents.vue'
import PastLock from './views/past/PastLock.vue'
import PastLocks from './views/past/PastLocks.vue'
import PastOverview from './views/past/PastOverview.vue'
import PastOwner from './views/past/PastOwner.vue'
import PastOwners from './views/past/PastOwners.vue'
import { withPast } from './views/past/withPast'
import { isPast, NOW } from './lib/instantRoute'

declare module 'vue-router' {
  interface RouteMeta {
    title?: string
    /** The view has a past: with `at` it shows that instant. */
    past?: boolean
  }
}

export const router = createRouter({
  history: createWebHistory(),
  routes: [
    {
      path: '/',
      name: 'overview',
      component: withPast(OverviewView, PastOverview),
      meta: { title: 'Overview', past: true },
    },
    {
      path: '/locks',
      name: 'locks',
      component: withPast(LocksView, PastLocks),
      meta: { title: 'Locks', past: true },
    },
    {
      path: '/locks/:name',
      name: 'lock',
      component: withPast(LockView, PastLock),
      meta: { title: 'Lock', past: true },
    },
    // An address that was typed, in which the slashes of a name are not encoded.
    {
      path: '/locks/:name(.+/.+)',
      redirect: ({ params }) => ({ name: 'lock', params: { name: String(params['name']) } }),
    },
    {
      path: '/events',
      name: 'events',
      component: withPast(EventsView, PastEvents),
      meta: { title: 'Events', past: true },
    },
    // Strict, since the owner without a name is at `/owners/`.
    {
      path: '/owners',
      name: 'owners',
      component: withPast(OwnersView, PastOwners),
      strict: true,
      meta: { title: 'Owners', past: true },
    },
    {
      path: '/owners/:owner(.*)',
      name: 'owner',
      component: withPast(OwnerView, PastOwner),
      strict: true,
      meta: { title: 'Owner', past: true },
    },
    // The address that the past of the locks had.
    {
      path: '/state',
      redirect: ({ query }) => ({ name: 'locks', query: { ...query, at: query['at'] || NOW } }),
    },
    {
      path: '/principals/:principal',
      name: 'principal',
      component: PrincipalView,
      meta: { title: 'Principal' },
    },
    { path: '/release', name: 'release', component: ReleaseView, meta: { title: 'Force-release' } },
    { path: '/playground', name: 'playground', component: PlaygroundView, meta: { title: 'Playground' } },
    { path: '/:rest(.*)', name: 'not-found', component: NotFoundView, meta: { title: 'Not found' } },
  ],
})

export function pageTitle(to: RouteLocationNormalized): string {
  const subject = to.params['name'] ?? to.params['owner'] ?? to.params['principal']
  const name = subject ? String(subject) : to.meta.title
  const shown = isPast(to) ? `${name ?? ''} (past)` : name
  return shown ? `${shown} · dlm` : 'dlm'
}
