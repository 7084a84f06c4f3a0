// The page of benchmarks: `npm run page -- --bench`. Other libraries are part of it where
// bench/peers has them installed.
import { existsSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { defineConfig } from 'vite'
import { headers, shared } from '../vite.config.js'

const at = (path) => fileURLToPath(new URL(path, import.meta.url))
const modules = at('../../../bench/peers/node_modules')
const hasPeers = ['@tensorflow/tfjs-core', '@tensorflow/tfjs-backend-wasm', '@jax-js/jax'].every(
  (name) => existsSync(`${modules}/${name}`),
)

export default defineConfig({
  root: at('.'),
  base: './',
  plugins: [shared('../style.css')],
  define: { PEERS: String(hasPeers) },
  resolve: {
    alias: hasPeers
      ? [{ find: /^(@tensorflow\/.*|@jax-js\/.*)$/, replacement: `${modules}/$1` }]
      : [{ find: './peers.js', replacement: at('./no-peers.ts') }],
  },
  // The other libraries start workers from the texts of functions, which names must survive.
  build: { target: 'es2022', minify: !hasPeers, chunkSizeWarningLimit: 4000 },
  worker: { format: 'es' },
  server: { host: '127.0.0.1', headers, fs: { allow: [at('../../..')] } },
  preview: { host: '127.0.0.1', headers },
})
