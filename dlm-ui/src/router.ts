import { createRouter, createWebHistory, type RouteLocationNormalized } from 'vue-router'
import EventsView from './views/events/EventsView.vue'
import LockView from './views/lock/LockView.vue'
import LocksView from './views/locks/LocksView.vue'
import OverviewView from './views/overview/OverviewView.vue'
import PlaygroundView from './views/playground/PlaygroundView.vue'
import NotFoundView from './views/NotFoundView.vue'

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
    { path: '/playground', name: 'playground', component: PlaygroundView, meta: { title: 'Playground' } },
    { path: '/:rest(.*)', name: 'not-found', component: NotFoundView, meta: { title: 'Not found' } },
  ],
})

export function pageTitle(to: RouteLocationNormalized): string {
  const name = to.name === 'lock' ? String(to.params['name']) : String(to.meta['title'] ?? '')
  return name ? `${name} · dlm` : 'dlm'
}
