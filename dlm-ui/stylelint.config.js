export default {
  extends: 'stylelint-config-standard',
  overrides: [{ files: ['**/*.vue'], customSyntax: 'postcss-html' }],
  rules: {
    // Tokens are grouped by blank lines.
    'custom-property-empty-line-before': null,
    'comment-empty-line-before': null,
    'selector-pseudo-class-no-unknown': [true, { ignorePseudoClasses: ['deep'] }],
    // The classes of kinds and ends are named as in the API.
    'selector-class-pattern': '^[a-z][a-z0-9_-]*$',
    'value-keyword-case': ['lower', { ignoreProperties: ['/^--font-/'] }],
    'property-no-vendor-prefix': [true, { ignoreProperties: ['text-size-adjust'] }],
    // A state that is listed after the one it excludes reads better.
    'no-descending-specificity': null,
  },
}
