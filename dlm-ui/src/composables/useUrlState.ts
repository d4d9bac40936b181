import { computed, type WritableComputedRef } from 'vue'
import { useRoute, useRouter } from 'vue-router'

interface Codec<T> {
  read: (text: string) => T | null
  write: (value: T) => string
}

export const text: Codec<string> = { read: (value) => value, write: (value) => value }
export const flag: Codec<boolean> = { read: (value) => value === '1', write: (value) => (value ? '1' : '0') }

export function oneOf<T extends string>(known: readonly T[]): Codec<T> {
  return { read: (value) => known.find((one) => one === value) ?? null, write: (value) => value }
}

export function whole(from: number, to: number): Codec<number> {
  return {
    read: (value) => {
      const number = /^\d{1,12}$/.test(value) ? Number(value) : Number.NaN
      return number >= from && number <= to ? number : null
    },
    write: String,
  }
}

export function visibleAscii(longest: number): Codec<string> {
  return {
    read: (value) => (/^[!-~]+$/.test(value) && value.length <= longest ? value : null),
    write: (value) => value,
  }
}

/** A part of a view's state that lives in its address; the default is left out of it. */
export function useUrlState<T>(name: string, codec: Codec<T>, otherwise: T): WritableComputedRef<T> {
  const route = useRoute()
  const router = useRouter()
  return computed({
    get: () => {
      const value = route.query[name]
      return (typeof value === 'string' ? codec.read(value) : null) ?? otherwise
    },
    set: (value) => {
      const { query } = router.currentRoute.value
      // What is undefined is left out of the address.
      const written = value === otherwise ? undefined : codec.write(value)
      void router.replace({ query: { ...query, [name]: written } })
    },
  })
}
