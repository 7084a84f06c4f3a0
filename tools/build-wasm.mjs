// Compiles assembly/ into the engine's modules. One source; asconfig.json says how the variants differ.
import { spawnSync } from 'node:child_process'
import { mkdirSync } from 'node:fs'
import { createRequire } from 'node:module'
import { dirname, join } from 'node:path'

const require = createRequire(import.meta.url)
const asc = join(dirname(require.resolve('assemblyscript/package.json')), 'bin/asc.js')
mkdirSync('build/wasm', { recursive: true })
for (const target of ['release', 'threads', 'debug']) {
  const { status } = spawnSync(process.execPath, [asc, 'assembly/index.ts', '--target', target], { stdio: 'inherit' })
  if (status !== 0) process.exit(status ?? 1)
}
