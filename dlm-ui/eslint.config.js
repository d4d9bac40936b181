import js from '@eslint/js'
import prettier from 'eslint-config-prettier'
import vue from 'eslint-plugin-vue'
import ts from 'typescript-eslint'

export default ts.config(
  { ignores: ['dist', 'src/api/schema.d.ts', 'test-results', 'screenshots'] },
  js.configs.recommended,
  ...ts.configs.strict,
  ...vue.configs['flat/recommended'],
  prettier,
  {
    files: ['**/*.vue'],
    languageOptions: { parserOptions: { parser: ts.parser } },
    // TypeScript already reports undefined names.
    rules: { 'no-undef': 'off' },
  },
  {
    rules: {
      'no-console': 'error',
      // Lock names and owners come from clients and must always be rendered as text.
      'vue/no-v-html': 'error',
      'vue/multi-word-component-names': 'off',
      'vue/require-default-prop': 'off',
    },
  },
  { files: ['scripts/**'], rules: { 'no-console': 'off', 'no-undef': 'off' } },
)
