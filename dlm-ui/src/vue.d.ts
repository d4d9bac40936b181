// For tools that do not read components, such as ESLint. `vue-tsc` knows the type of each one.
declare module '*.vue' {
  import type { DefineComponent } from 'vue'

  const component: DefineComponent
  export default component
}
