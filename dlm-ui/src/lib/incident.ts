// What happened to a lock, as Markdown for a ticket or a chat.
import type { Explanation, Holder, LockEvent, LockStatus } from '../api/types'
import { exactParts } from './exactText'
import { count, duration, fullTime, ownerName, type Zone } from './format'
import { remark } from '../state/holds'

export interface Incident {
  name: string
  /** The address of the lock's page. */
  link: string
  status: LockStatus
  explanation: Explanation | null
  /** Oldest first. */
  events: readonly LockEvent[]
  /** The server's time. */
  now: number
  zone: Zone
}

const MAX_WAITERS = 20

export function incidentMarkdown({ name, link, status, explanation, events, now, zone }: Incident): string {
  const time = (at: string) => fullTime(Date.parse(at), zone)
  const since = (at: string) => `for ${duration(now - Date.parse(at))}, since ${time(at)}`
  const state = status.state === 'held' ? `held (${status.mode ?? 'exclusive'})` : 'free'
  const lines = [
    `# Lock ${code(name)}`,
    '',
    `As of ${fullTime(now, zone)}: ${state}, ${count(status.queue_len)} waiting. <${link}>`,
    '',
    '## Holders',
    '',
    ...status.holders.map(
      (holder) =>
        `- ${code(ownerName(holder.owner))}${principal(holder.principal)}, token ${holder.fencing_token}, ` +
        `${holder.mode}, ${since(holder.acquired_at)}${asked(holder, time)}`,
    ),
    ...rest(status.holder_count - status.holders.length, 'holder'),
    ...(status.holder_count === 0 ? ['- none'] : []),
    '',
    ...usual(status, explanation, now),
    '## Queue',
    '',
    ...(status.waiters ?? [])
      .slice(0, MAX_WAITERS)
      .map(
        ({ position, owner, mode, away, enqueued_at }) =>
          `${position}. ${code(ownerName(owner))}, ${mode}${away ? ', away' : ''}, ${since(enqueued_at)}`,
      ),
    ...rest(status.queue_len - Math.min(MAX_WAITERS, (status.waiters ?? []).length), 'waiter'),
    ...(status.queue_len === 0 ? ['- none'] : []),
    '',
    '## Timeline',
    '',
    ...events.map((event) => `- ${time(event.at)} ${eventText(event)}`),
    ...(events.length === 0 ? ['- no event in the log'] : []),
    '',
  ]
  return lines.join('\n')
}

function asked({ release_requested: request }: Holder, time: (at: string) => string): string {
  if (!request) return ''
  const by = request.requested_by ? ` by ${code(request.requested_by)}` : ''
  const end = request.force ? 'force-released at' : 'until'
  return `; asked to release${by}, ${end} ${time(request.deadline)}: ${code(request.reason)}`
}

function usual(status: LockStatus, explanation: Explanation | null, now: number): string[] {
  const hold = explanation?.hold
  if (!hold) return []
  const first = status.holders[0]
  const times = first ? remark(hold, now - Date.parse(first.acquired_at)) : null
  const figures = `p50 ${duration(hold.p50_ms)}, p95 ${duration(hold.p95_ms)}, longest ${duration(hold.max_ms)}`
  return [`Usual hold: ${figures} (${count(hold.samples)} holds)${times ? `; now ${times}` : ''}.`, '']
}

function eventText(event: LockEvent): string {
  const token = typeof event.fencing_token === 'number' ? `, token ${event.fencing_token}` : ''
  const waited = typeof event.waited_ms === 'number' ? `, waited ${duration(event.waited_ms)}` : ''
  const by = event.by ? ` by ${code(event.by)}` : ''
  const reason = event.reason ? `: ${code(event.reason)}` : ''
  const kind = event.kind.replaceAll('_', ' ')
  return `${kind} ${code(ownerName(event.owner))}, ${event.mode}${token}${waited}${by}${reason}`
}

function principal(name: string | null | undefined): string {
  return name ? ` (principal ${code(name)})` : ''
}

function rest(further: number, what: string): string[] {
  return further > 0 ? [`- and ${count(further)} more ${what}${further === 1 ? '' : 's'}`] : []
}

/** A text from anyone as a code span: nothing in it is markup, and what does not show is named. */
export function code(text: string): string {
  const flat = text.replace(/[\r\n]+/g, ' ')
  const longest = Math.max(0, ...[...flat.matchAll(/`+/g)].map(([run]) => run.length))
  const fence = '`'.repeat(longest + 1)
  const padded = /^[` ]|[` ]$/.test(flat) ? ` ${flat} ` : flat
  const hidden = exactParts(flat).flatMap(({ mark, title }) => (mark === null || !title ? [] : [title]))
  return `${fence}${padded}${fence}${hidden.length > 0 ? ` (with ${[...new Set(hidden)].join(', ')})` : ''}`
}
