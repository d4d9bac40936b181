import { readdirSync, readFileSync } from 'node:fs'
import vue from '@vitejs/plugin-vue'
import { defineConfig } from 'vitest/config'

const server = process.env['DLM_SERVER'] ?? 'http://127.0.0.1:7420'

const specs = readdirSync(`${import.meta.dirname}/src`, { recursive: true, encoding: 'utf8' })
  .filter((path) => path.endsWith('.spec.ts'))
  .map((path) => `src/${path}`)
const mocking = specs.filter((path) =>
  readFileSync(`${import.meta.dirname}/${path}`, 'utf8').includes('vi.mock('),
)

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
    // A test that renders a long list takes seconds on a busy machine.
    testTimeout: 30_000,
    unstubGlobals: true,
    // Styles are empty in tests, but for one that reads them.
    css: { include: /\.css\?raw$/ },
    projects: [
      // Loading the modules once instead of for each file takes a seventh of the time. A mock of a module needs it
      // not to be loaded yet.
      {
        extends: true,
        test: { name: 'shared', include: ['src/**/*.spec.ts'], exclude: mocking, isolate: false },
      },
      { extends: true, test: { name: 'mocking', include: mocking } },
    ],
  },
})
