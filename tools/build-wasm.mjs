// Compiles assembly/ into the engine's modules (one source; asconfig.json says how the variants
// differ) and what the benchmarks compare them with.
import { spawnSync } from 'node:child_process'
import { mkdirSync } from 'node:fs'
import { createRequire } from 'node:module'
import { dirname, join } from 'node:path'

const require = createRequire(import.meta.url)
const asc = join(dirname(require.resolve('assemblyscript/package.json')), 'bin/asc.js')
mkdirSync('build/wasm', { recursive: true })
const engine = 'assembly/index.ts'
for (const [target, source] of Object.entries({
  release: engine,
  threads: engine,
  debug: engine,
  bench: 'bench/assembly/peak.ts',
})) {
  const { status } = spawnSync(process.execPath, [asc, source, '--target', target], {
    stdio: 'inherit',
  })
  if (status !== 0) process.exit(status ?? 1)
}
