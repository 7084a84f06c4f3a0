// Builds the page of examples/page and serves it on loopback, with the headers that threads need.
//
//   npm run page                  the page to try spikewasm in
//   npm run page -- --build       static files alone, in examples/page/dist
//   npm run page -- --port 8080
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { build, preview } from 'vite'

const usage = 'usage: npm run page -- [--build] [--port NUMBER]'

function options() {
  try {
    const { values } = parseArgs({
      options: {
        build: { type: 'boolean' },
        port: { type: 'string' },
      },
    })
    const { port = '4173' } = values
    if (!/^\d+$/.test(port) || port < 1 || port > 65535)
      throw new Error(`--port must be a number from 1 to 65535, got ${port}`)
    return { ...values, port: Number(port) }
  } catch (error) {
    console.error(`${error.message}\n${usage}`)
    process.exit(2)
  }
}

const { build: only, port } = options()
const at = (path) => fileURLToPath(new URL(`../${path}`, import.meta.url))

const configFile = at('examples/page/vite.config.js')
await build({ configFile, logLevel: 'warn' })
if (only) console.log('The files are in examples/page/dist.')
else {
  const server = await preview({ configFile, preview: { port } })
  server.printUrls()
}
