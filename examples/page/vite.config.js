// The page is built by `npm run page`, or by `npx vite build examples/page`. Its addresses are
// relative: any host can serve the files of dist.
import { fileURLToPath } from 'node:url'
import { defineConfig } from 'vite'

/** With these a page may share memory between threads. Without them it trains on one. */
export const headers = {
  'Cross-Origin-Opener-Policy': 'same-origin',
  'Cross-Origin-Embedder-Policy': 'require-corp',
}

export default defineConfig({
  root: fileURLToPath(new URL('.', import.meta.url)),
  base: './',
  build: { target: 'es2022' },
  server: { host: '127.0.0.1', headers },
  preview: { host: '127.0.0.1', headers },
})
