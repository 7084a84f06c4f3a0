// Builds a page of examples/page and serves it on loopback, with the headers that threads need.
//
//   npm run page                  the page to try spikewasm in
//   npm run page -- --bench       the page of benchmarks; --peers installs the other libraries
//   npm run page -- --build       static files alone, in examples/page/dist (or …/bench/dist)
//   npm run page -- --port 8080
import { spawnSync } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { build, preview } from 'vite'

const usage = 'usage: npm run page -- [--bench] [--peers] [--build] [--port NUMBER]'

function options() {
  try {
    const { values } = parseArgs({
      options: {
        bench: { type: 'boolean' },
        peers: { type: 'boolean' },
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

const { bench, peers, build: only, port } = options()
const at = (path) => fileURLToPath(new URL(`../${path}`, import.meta.url))

if (peers) {
  const { status } = spawnSync('npm', ['install', '--no-package-lock', '--no-audit', '--no-fund'], {
    cwd: at('bench/peers'),
    stdio: 'inherit',
    shell: process.platform === 'win32',
  })
  if (status !== 0) process.exit(1)
}

const configFile = at(`examples/page/${bench ? 'bench/' : ''}vite.config.js`)
await build({ configFile, logLevel: 'warn' })
if (only) console.log(`The files are in examples/page/${bench ? 'bench/' : ''}dist.`)
else {
  const server = await preview({ configFile, preview: { port } })
  server.printUrls()
}
