import vue from '@vitejs/plugin-vue'
import { defineConfig } from 'vitest/config'

const server = process.env['DLM_SERVER'] ?? 'http://127.0.0.1:7420'

export default defineConfig({
  plugins: [vue()],
  build: {
    // The page may load nothing but files of its own server, so nothing is inlined as `data:`.
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
        // The server refuses pages of other origins, which this one is while it is worked on.
        configure: (proxy) => proxy.on('proxyReq', (request) => request.removeHeader('origin')),
      },
    },
  },
  test: {
    environment: 'happy-dom',
    include: ['src/**/*.spec.ts'],
  },
})
