// Builds the page of examples/page and serves it on loopback, with the headers that threads need.
//
//   npm run page                  the page to try spikewasm in
//   npm run page -- --build       static files alone, in examples/page/dist
//   npm run page -- --port 8080
import { fileURLToPath } from 'node:url'
import { build, preview } from 'vite'
import { flag, integer, readOptions, refuse } from './options.mjs'

const { build: only, port } = readOptions({ build: flag, port: integer(4173) })
if (port > 65_535) refuse(`--port must be a number from 1 to 65535, got ${port}`)
const at = (path) => fileURLToPath(new URL(`../${path}`, import.meta.url))

const configFile = at('examples/page/vite.config.js')
await build({ configFile, logLevel: 'warn' })
if (only) console.log('The files are in examples/page/dist.')
else {
  const server = await preview({ configFile, preview: { port } })
  server.printUrls()
}
