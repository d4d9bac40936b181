import vue from '@vitejs/plugin-vue'
import { defineConfig } from 'vitest/config'

const server = process.env['DLM_SERVER'] ?? 'http://127.0.0.1:7420'

export default defineConfig({
  plugins: [vue()],
  build: {
    // The content security policy only allows files from the same origin, so no asset is inlined as a `data:` URL.
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false },
  },
  server: {
    proxy: {
      '/v1': {
        target: server,
        ws: true,
        changeOrigin: true,
        rewriteWsOrigin: true,
        // The server rejects other origins, and the development server is one.
        configure: (proxy) => proxy.on('proxyReq', (request) => request.removeHeader('origin')),
      },
    },
  },
  test: {
    environment: 'happy-dom',
    include: ['src/**/*.spec.ts'],
    // A test that renders a long list takes seconds on a busy machine.
    testTimeout: 30_000,
  },
})
