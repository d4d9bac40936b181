import type { ObjectDirective } from 'vue'

/**
 * The value of a field that is taken over when its text is committed. Unlike `:value`, it leaves what is being
 * typed alone when the page renders again for another reason.
 */
export const vCommitted: ObjectDirective<HTMLInputElement, string | number> = {
  mounted: (field, { value }) => {
    field.value = String(value)
  },
  updated: (field, { value, oldValue }) => {
    if (value !== oldValue) field.value = String(value)
  },
}
