import { computed, shallowReactive, type WritableComputedRef } from 'vue'
import { useRoute, useRouter, type Router } from 'vue-router'

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

/** An instant in ISO 8601, as `Date.toISOString` writes it. */
export const instant: Codec<string> = {
  parse: (value) => {
    const ms = /^\d{4}-\d\d-\d\dT[\d:.]+Z$/.test(value) ? Date.parse(value) : Number.NaN
    return Number.isNaN(ms) ? null : new Date(ms).toISOString()
  },
  format: (value) => value,
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

/** Parameters that were written and are not in the URL yet; the router needs a moment. */
const written = shallowReactive(new Map<string, string | undefined>())

/** Puts all parameters that are written in one tick into the URL at once: a second navigation would drop the first. */
async function flush(router: Router): Promise<void> {
  const { path } = router.currentRoute.value
  await Promise.resolve()
  while (written.size > 0) {
    const { query, path: current } = router.currentRoute.value
    // The view that wrote them may be gone.
    if (current !== path) return written.clear()
    const parameters = new Map(written)
    await router.replace({ query: { ...query, ...Object.fromEntries(parameters) } })
    for (const [name, parameter] of parameters) {
      if (written.get(name) === parameter) written.delete(name)
    }
  }
}

/** View state stored in a query parameter. The default value is omitted from the URL. */
export function useUrlState<T>(name: string, codec: Codec<T>, defaultValue: T): WritableComputedRef<T> {
  const route = useRoute()
  const router = useRouter()
  return computed({
    get: () => {
      const value = written.has(name) ? written.get(name) : route.query[name]
      return (typeof value === 'string' ? codec.parse(value) : null) ?? defaultValue
    },
    set: (value) => {
      // The router omits undefined parameters.
      const scheduled = written.size > 0
      written.set(name, value === defaultValue ? undefined : codec.format(value))
      if (!scheduled) void flush(router)
    },
  })
}
