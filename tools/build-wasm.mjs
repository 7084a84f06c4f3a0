// Compiles assembly/ into the engine's modules (one source; asconfig.json says how the variants
// differ) and what the benchmarks compare them with. Arguments select targets.
import { spawnSync } from 'node:child_process'
import { mkdirSync } from 'node:fs'

const engine = 'assembly/index.ts'
const sources = {
  release: engine,
  threads: engine,
  debug: engine,
  bench: 'bench/assembly/peak.ts',
}

const wanted = process.argv.slice(2)
for (const target of wanted)
  if (!Object.hasOwn(sources, target)) {
    console.error(`no target ${target}; there are ${Object.keys(sources).join(', ')}`)
    process.exit(1)
  }
mkdirSync('build/wasm', { recursive: true })
for (const target of wanted.length > 0 ? wanted : Object.keys(sources)) {
  const { status } = spawnSync(
    process.execPath,
    ['node_modules/assemblyscript/bin/asc.js', sources[target], '--target', target],
    { stdio: 'inherit' },
  )
  if (status !== 0) process.exit(status ?? 1)
}
