// Reads the messages of the event stream.
import * as v from 'valibot'
import type { StreamMessage } from './types'
import { Event, EventMark, LiveWaitGraph, Renewal } from './validators'

const VALIDATORS = new Map<unknown, v.GenericSchema<unknown, StreamMessage>>([
  ['event', Event],
  ['renewed', Renewal],
  ['wait_graph', LiveWaitGraph],
  ['synced', EventMark],
  ['bookmark', EventMark],
])

/** The message; `unknown` if it is of a type that only a newer page knows; `invalid` if it can't be read. */
export function readMessage(text: string): StreamMessage | 'unknown' | 'invalid' {
  let message: unknown
  try {
    message = JSON.parse(text)
  } catch {
    return 'invalid'
  }
  if (typeof message !== 'object' || message === null || !('type' in message)) return 'invalid'
  const validator = VALIDATORS.get(message.type)
  if (!validator) return 'unknown'
  const { success, output } = v.safeParse(validator, message, { abortEarly: true })
  return success ? output : 'invalid'
}
