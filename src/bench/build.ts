/** The build that runs now, as benchmarks see one. */
import { readFileSync } from 'node:fs'
import { VERSION } from '../version.js'
import type { Build } from './benchmark.js'

/** This build, which can have its engine as if it were loaded for the first time. */
export interface OwnBuild extends Build {
  /** V8 has not optimised the engine of ops that are planned from now on. */
  freshEngine(): void
}

let loaded: Promise<OwnBuild> | undefined

/** This build; loaded when it is first asked for. */
export function thisBuild(): Promise<OwnBuild> {
  loaded ??= load()
  return loaded
}

async function load(): Promise<OwnBuild> {
  const [sw, ops, { useEngine }] = await Promise.all([
    import('../index.js'),
    import('../ops/index.js'),
    import('../ops/engine.js'),
  ])
  return { name: 'this', version: VERSION, sw, ops, freshEngine: () => useEngine(freshModule()) }
}

let engine: Uint8Array | undefined
let copies = 0

/** V8 shares optimised code between modules of equal bytes; a custom section makes them differ. */
function freshModule(): WebAssembly.Module {
  engine ??= readFileSync(new URL('../../wasm/engine.wasm', import.meta.url))
  const name = `case${String(copies++).padStart(8, '0')}`
  const section = [0, 1 + name.length, name.length, ...new TextEncoder().encode(name)]
  const bytes = new Uint8Array(engine.length + section.length)
  bytes.set(engine)
  bytes.set(section, engine.length)
  return new WebAssembly.Module(bytes)
}
