// Compiles assembly/ into the engine's modules (one source; asconfig.json says how the variants
// differ) and what the benchmarks compare them with. Arguments select targets; --fast optimises
// nothing. One process compiles all of them: the compiler, and Binaryen within it, take seconds
// until they run fast.
import { appendFileSync, copyFileSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { basename } from 'node:path'
import { pathToFileURL } from 'node:url'
import { main as asc } from 'assemblyscript/asc'
import Unroll from './unroll.mjs'

// One of its own: what a compiler has done in this process would change bytes.
const fromCompiler = createRequire(
  createRequire(import.meta.url).resolve('assemblyscript/package.json'),
)
const { href } = pathToFileURL(fromCompiler.resolve('binaryen'))
const { default: binaryen } = await import(`${href}?alone`)

/**
 * The same functions, bit for bit, without the exports but those of `kept`, and without what these
 * do not reach.
 */
function leanModule(bytes, kept) {
  const module = binaryen.readBinary(bytes)
  module.setFeatures(binaryen.Features.All)
  const names = Array.from(
    { length: module.getNumExports() },
    (_, i) => binaryen.getExportInfo(module.getExportByIndex(i)).name,
  )
  for (const name of kept) if (!names.includes(name)) throw new Error(`the engine has no ${name}`)
  for (const name of names) if (!kept.includes(name)) module.removeExport(name)
  module.runPasses(['remove-unused-module-elements'])
  if (!module.validate()) throw new Error('the lean module is not valid')
  const lean = module.emitBinary()
  module.dispose()
  return lean
}

const engine = ['assembly/index.ts']
const sources = {
  release: engine,
  threads: engine,
  debug: engine,
  wide: [...engine, 'assembly/base/stack.ts'],
  bench: ['bench/assembly/peak.ts'],
}

/** Which version and variant a module is, in a custom section of its own (load.ts). */
function sign(outFile) {
  const { version } = JSON.parse(readFileSync('package.json', 'utf8'))
  const name = 'spikewasm.engine'
  const text = `${version} ${basename(outFile, '.wasm')}`
  const section = Buffer.from(`${String.fromCharCode(name.length)}${name}${text}`)
  if (section.length > 127) throw new Error('the length takes one byte')
  appendFileSync(outFile, Buffer.concat([Buffer.of(0, section.length), section]))
}

/**
 * What a host calls in the engine. Only these keep their names, and what none of them reaches goes:
 * pages load the file. `engine-named.wasm` has all; exported networks are made from it.
 */
const CALLED = ['run', 'execute', 'byteTotals', 'byteMax', 'bitSum', 'maskCounts', 'memory']

/** What a host sees by in the engine for wide vectors, whether V8 joins what is in it. */
const SEEN = ['stackOfNeighbours', 'stackOfOthers']

const outFileOf = (target) =>
  JSON.parse(readFileSync('asconfig.json', 'utf8')).targets[target].outFile

/** Takes names from a module, and keeps another one that has them. Returns the files. */
function makeLean(target) {
  const outFile = outFileOf(target)
  const named = outFile.replace('.wasm', '-named.wasm')
  if (target === 'release') copyFileSync(outFile, named)
  const called = target === 'wide' ? [...CALLED, ...SEEN] : CALLED
  if (target !== 'debug') writeFileSync(outFile, leanModule(readFileSync(outFile), called))
  return target === 'release' ? [outFile, named] : [outFile]
}

const fast = process.argv.includes('--fast') ? ['-O0'] : []
const wanted = process.argv.slice(2).filter((argument) => argument !== '--fast')
for (const target of wanted)
  if (!Object.hasOwn(sources, target)) {
    console.error(`no target ${target}; there are ${Object.keys(sources).join(', ')}`)
    process.exit(1)
  }
mkdirSync('build/wasm', { recursive: true })
for (const target of wanted.length > 0 ? wanted : Object.keys(sources)) {
  const { error } = await asc([...sources[target], '--target', target, ...fast], {
    stdout: process.stdout,
    stderr: process.stderr,
    transforms: [new Unroll({ WIDE: Number(target === 'wide') })],
  })
  if (error) process.exit(1)
  if (target === 'bench') continue
  for (const outFile of makeLean(target)) sign(outFile)
}
