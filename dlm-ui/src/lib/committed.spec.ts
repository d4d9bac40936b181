import { mount } from '@vue/test-utils'
import { expect, test } from 'vitest'
import { defineComponent } from 'vue'
import { vCommitted } from './committed'

const Field = defineComponent({
  directives: { committed: vCommitted },
  props: { value: { type: String, required: true }, other: { type: Number, default: 0 } },
  template: '<input v-committed="value" :title="String(other)" />',
})

test('a field keeps what is being typed until its value changes', async () => {
  const wrapper = mount(Field, { props: { value: 'play' } })
  const field = wrapper.get('input')
  expect(field.element.value).toBe('play')
  field.element.value = 'oth'
  await wrapper.setProps({ other: 1 })
  expect(field.element.value).toBe('oth')
  await wrapper.setProps({ value: 'demo' })
  expect(field.element.value).toBe('demo')
})
