import { computed, type WritableComputedRef } from 'vue'
import { useRoute, useRouter } from 'vue-router'

/** Converts a value to and from a query parameter. `parse` returns `null` for invalid input. */
interface Codec<T> {
  parse: (text: string) => T | null
  format: (value: T) => string
}

export const text: Codec<string> = { parse: (value) => value, format: (value) => value }
export const flag: Codec<boolean> = {
  parse: (value) => value === '1',
  format: (value) => (value ? '1' : '0'),
}

export function oneOf<T extends string>(options: readonly T[]): Codec<T> {
  return {
    parse: (value) => options.find((option) => option === value) ?? null,
    format: (value) => value,
  }
}

export function integer(min: number, max: number): Codec<number> {
  return {
    parse: (value) => {
      const number = /^\d{1,12}$/.test(value) ? Number(value) : Number.NaN
      return number >= min && number <= max ? number : null
    },
    format: String,
  }
}

export function visibleAscii(maxLength: number): Codec<string> {
  return {
    parse: (value) => (/^[!-~]+$/.test(value) && value.length <= maxLength ? value : null),
    format: (value) => value,
  }
}

/** View state stored in a query parameter. The default value is omitted from the URL. */
export function useUrlState<T>(name: string, codec: Codec<T>, defaultValue: T): WritableComputedRef<T> {
  const route = useRoute()
  const router = useRouter()
  return computed({
    get: () => {
      const value = route.query[name]
      return (typeof value === 'string' ? codec.parse(value) : null) ?? defaultValue
    },
    set: (value) => {
      const { query } = router.currentRoute.value
      // The router omits undefined parameters.
      const parameter = value === defaultValue ? undefined : codec.format(value)
      void router.replace({ query: { ...query, [name]: parameter } })
    },
  })
}
