// Builds what is stale: the engine's modules, the TypeScript, tests and benchmarks, the bundled code
// of others, and the few files of all that ship.
// Removes built files whose source is gone. build/stamps.json holds hashes of each step's inputs
// (sources, versions of tools) and outputs; a step is stale when one of them differs.
// Arguments: wasm, typescript, tests, bundle, package select steps; --force builds whatever the stamps say;
// --dry-run only prints what would be done; --fast leaves stale engines unoptimised, and the next
// build without it makes them anew.
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { writeEngineSources } from './records.mjs'
import { contentOf, filesOf, hashOf, packageSources, testSources } from './sources.mjs'

process.chdir(fileURLToPath(new URL('..', import.meta.url)))

const STAMPS = 'build/stamps.json'

const readJson = (path) => JSON.parse(readFileSync(path, 'utf8'))
const manifest = (name) => `node_modules/${name}/package.json`

const sources = new Map()
/** Content of a source, which several steps read: as it was when the first did. */
function sourceOf(file) {
  if (!sources.has(file)) sources.set(file, contentOf(file))
  return sources.get(file)
}

const bundled = [
  'piscina',
  '@assemblyscript/loader',
  'assemblyscript',
  'esbuild',
  'valibot',
  'uplot',
]

/** Paths of what is built from a source, by its ends. */
const builtFrom = (ends) => (source) =>
  source.endsWith('.d.ts') ? [] : ends.map((end) => `build/${source.replace(/\.ts$/, end)}`)

/** What is built from what, by which command. */
function steps() {
  const [typescript, tests, assembly] = [packageSources(), testSources(), filesOf('assembly')]
  const wasm = Object.entries(readJson('asconfig.json').targets).map(([target, { outFile }]) => ({
    name: `wasm ${target}`,
    inputs: [
      ...assembly,
      ...(target === 'bench' ? filesOf('bench/assembly') : []),
      'asconfig.json',
      'tools/build-wasm.mjs',
      'tools/unroll.mjs',
      // Its version stands in them.
      'src/base/version.ts',
      manifest('assemblyscript'),
    ],
    outputs: [outFile, ...(target === 'release' ? [outFile.replace('.wasm', '-named.wasm')] : [])],
    command: ['tools/build-wasm.mjs', target],
  }))
  return [
    ...wasm,
    {
      name: 'typescript',
      inputs: [
        ...typescript,
        'tsconfig.json',
        'tsconfig.build.json',
        'package-lock.json',
        'tools/build.mjs',
        'tools/sources.mjs',
        manifest('typescript-7'),
      ],
      outputs: typescript.flatMap(builtFrom(['.js', '.d.ts', '.js.map'])),
      command: ['node_modules/typescript-7/bin/tsc', '-p', 'tsconfig.build.json'],
    },
    {
      name: 'tests',
      inputs: [
        ...tests,
        'tools/build-tests.mjs',
        'tools/sources.mjs',
        'tsconfig.json',
        manifest('esbuild'),
      ],
      outputs: tests.flatMap(builtFrom(['.js', '.js.map'])),
      command: ['tools/build-tests.mjs'],
    },
    {
      name: 'bundle',
      inputs: [
        'tools/bundle.mjs',
        'assembly/opcodes.ts',
        ...['src/base', 'src/engine', 'src/watch'].flatMap(filesOf),
        ...bundled.map(manifest),
      ],
      // Folders that it makes anew, and what becomes of the worker of a page.
      get outputs() {
        const ofPage = ['script.js', 'worker.min.js', 'worker.min.d.ts']
        return [
          ...['build/src/engine/vendor', 'build/src/watch/vendor'].flatMap(filesOf),
          ...ofPage.map((file) => `build/src/engine/page/${file}`),
        ]
      },
      command: ['tools/bundle.mjs'],
    },
    {
      name: 'package',
      inputs: [
        ...typescript,
        ...['bundle', 'package', 'page'].map((name) => `tools/${name}.mjs`),
        ...[...bundled, 'rolldown', 'rollup', 'rollup-plugin-dts', 'typescript'].map(manifest),
      ],
      get outputs() {
        return ['build/dist', 'build/page'].flatMap(filesOf)
      },
      command: ['tools/package.mjs'],
    },
  ]
}

/** Removes built files that no step writes any more: a moved test would run twice. */
function removeOrphans(all) {
  if (!existsSync('build')) return
  const wanted = new Set(all.flatMap(({ outputs }) => outputs))
  for (const folder of readdirSync('build', { withFileTypes: true }))
    if (folder.isDirectory() && !['docs', 'reference', 'site'].includes(folder.name))
      for (const file of filesOf(`build/${folder.name}`))
        if (!wanted.has(file)) {
          console.log(`remove ${file}`)
          if (!dryRun) rmSync(file)
        }
}

const [force, dryRun, fast] = ['--force', '--dry-run', '--fast'].map((flag) =>
  process.argv.includes(flag),
)
const names = process.argv.slice(2).filter((argument) => !argument.startsWith('--'))
const kinds = ['wasm', 'typescript', 'tests', 'bundle', 'package']
for (const name of names)
  if (!kinds.includes(name)) {
    console.error(`there is no step ${name}; there are ${kinds.join(', ')}`)
    process.exit(1)
  }
await writeEngineSources()
const all = steps()
const stamps = existsSync(STAMPS) ? readJson(STAMPS) : {}

const isEngine = ({ name }) => name.startsWith('wasm ')
let failed = 0
/** The hash of a step's inputs where it is stale; undefined: it is not. */
function staleInput({ name, inputs, outputs }) {
  if (names.length > 0 && !names.includes(name.split(' ')[0])) return undefined
  const before = stamps[name]
  if (fast && name === 'wasm bench') return undefined
  const input = hashOf(inputs, sourceOf)
  const wanted = fast && isEngine({ name }) ? `${input} -O0` : input
  const isKnown = before?.input === input || before?.input === wanted
  return !force && isKnown && before.output === hashOf(outputs) ? undefined : wanted
}

/** Builds what is stale of these steps by one command, that of the first with all their targets. */
async function buildTogether(steps) {
  const stale = steps
    .map((step) => ({ step, input: staleInput(step) }))
    .filter(({ input }) => input)
  for (const { step } of stale) console.log(`build ${step.name}`)
  if (dryRun || stale.length === 0) return
  mkdirSync('build', { recursive: true })
  for (const { step } of stale) delete stamps[step.name]
  const [{ step }] = stale
  const [program] = step.command
  const command = [program, ...stale.flatMap(({ step }) => step.command.slice(1))]
  if (fast && isEngine(step)) command.push('--fast')
  const [status] = await once(spawn(process.execPath, command, { stdio: 'inherit' }), 'close')
  if (status === 0)
    for (const { step, input } of stale) stamps[step.name] = { input, output: hashOf(step.outputs) }
  writeFileSync(STAMPS, `${JSON.stringify(stamps, null, 2)}\n`)
  failed ||= status ?? 1
}

/** Builds groups, one after the other. */
async function build(groups) {
  for (const group of groups) if (failed === 0) await buildTogether(group)
}

// Two lanes that take about as long as each other; the package is made of both.
const [engines, others] = [all.filter(isEngine), all.filter((step) => !isEngine(step))]
const [typescript, tests, bundle, ofPackage] = others.map((step) => [step])
const lanes = [[engines, tests, bundle], [typescript]]
if (dryRun) await build(lanes.flat())
else await Promise.all(lanes.map(build))
await build([ofPackage])
if (failed !== 0) process.exit(failed)
removeOrphans(all)
