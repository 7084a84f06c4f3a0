// Builds what is stale: the engine's modules, the TypeScript, tests and benchmarks, the bundled code
// of others, and what pages load.
// Removes built files whose source is gone. build/stamps.json holds hashes of each step's inputs
// (sources, versions of tools) and outputs; a step is stale when one of them differs.
// Arguments: wasm, typescript, tests, bundle, pages select steps; --force builds whatever the stamps say;
// --dry-run only prints what would be done; --fast leaves stale engines unoptimised, and the next
// build without it makes them anew.
import { spawn } from 'node:child_process'
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

/** What is built from what, by which command. */
function steps() {
  const bundled = [
    ...['piscina', '@assemblyscript/loader', 'assemblyscript', 'esbuild', 'valibot', 'uplot'],
  ]
  const [typescript, tests] = [packageSources(), testSources()]
  const assembly = filesOf('assembly')
  const wasm = Object.entries(readJson('asconfig.json').targets).map(([target, { outFile }]) => ({
    name: `wasm ${target}`,
    inputs: [
      ...assembly,
      ...(target === 'bench' ? filesOf('bench/assembly') : []),
      'asconfig.json',
      'tools/build-wasm.mjs',
      'tools/lean-module.mjs',
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
        ...['tsconfig.json', 'tsconfig.build.json', 'package-lock.json', 'tools/bare-output.mjs'],
        ...['tools/sources.mjs', manifest('typescript-7')],
      ],
      outputs: typescript
        .filter((file) => !file.endsWith('.d.ts'))
        .flatMap((file) => ['.js', '.d.ts', '.js.map'].map((end) => builtFrom(file, end))),
      command: ['node_modules/typescript-7/bin/tsc', '-p', 'tsconfig.build.json'],
      after: ['tools/bare-output.mjs', 'build/src', 'build/assembly'],
    },
    {
      name: 'tests',
      inputs: [
        ...tests,
        ...['build-tests', 'sources'].map((name) => `tools/${name}.mjs`),
        ...['tsconfig.json', manifest('esbuild')],
      ],
      outputs: tests
        .filter((file) => !file.endsWith('.d.ts'))
        .flatMap((file) => ['.js', '.js.map'].map((end) => builtFrom(file, end))),
      command: ['tools/build-tests.mjs'],
    },
    {
      name: 'bundle',
      inputs: [
        ...['tools/bundle.mjs', 'src/base/errors.ts', 'src/engine/threads/calls.ts'],
        ...filesOf('src/watch'),
        ...['page/worker', 'page/protocol', 'run/record-times'].map((f) => `src/engine/${f}.ts`),
        'assembly/opcodes.ts',
        ...bundled.map(manifest),
      ],
      outputs: [
        ...['index.js', 'worker.js', 'package.json', 'LICENSE'].map((file) => `piscina/${file}`),
        ...['index.js', 'LICENSE', 'NOTICE'].map((file) => `loader/${file}`),
        ...['index.js', 'LICENSE.md'].map((file) => `valibot/${file}`),
      ]
        .map((file) => `vendor/${file}`)
        .concat(['script.js', 'worker.min.js', 'worker.min.d.ts'].map((file) => `page/${file}`))
        .map((file) => `build/src/engine/${file}`)
        .concat(['page.js', 'page.css', 'LICENSE'].map((file) => `build/src/watch/vendor/${file}`)),
      command: ['tools/bundle.mjs'],
    },
    {
      name: 'pages',
      inputs: [...typescript, ...['tools/page.mjs', manifest('esbuild'), manifest('typescript')]],
      // All that the entries for pages reach.
      get outputs() {
        return filesOf('build/src/web')
      },
      command: ['tools/page.mjs'],
    },
  ]
}

function builtFrom(source, end) {
  return `build/${source.replace(/\.ts$/, end)}`
}

/** Removes built files that no step writes any more: a moved test would run twice. */
function removeOrphans(all) {
  if (!existsSync('build')) return
  const wanted = new Set(all.flatMap(({ outputs }) => outputs))
  for (const folder of readdirSync('build', { withFileTypes: true }))
    if (folder.isDirectory() && folder.name !== 'docs')
      for (const file of filesOf(`build/${folder.name}`))
        if (!wanted.has(file)) {
          console.log(`remove ${file}`)
          if (!dryRun) rmSync(file)
        }
}

const force = process.argv.includes('--force')
const dryRun = process.argv.includes('--dry-run')
const fast = process.argv.includes('--fast')
const names = process.argv.slice(2).filter((argument) => !argument.startsWith('--'))
const kinds = ['wasm', 'typescript', 'tests', 'bundle', 'pages']
for (const name of names)
  if (!kinds.includes(name)) {
    console.error(`there is no step ${name}; there are ${kinds.join(', ')}`)
    process.exit(1)
  }
await writeEngineSources()
const all = steps()
const stamps = !force && existsSync(STAMPS) ? readJson(STAMPS) : {}

/** Runs a program of Node. @returns its exit code */
const run = (args) =>
  new Promise((resolve) => {
    const child = spawn(process.execPath, args, { stdio: 'inherit' })
    child.on('error', () => resolve(1))
    child.on('close', (code) => resolve(code ?? 1))
  })

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
  const status = (await run(command)) || (step.after && (await run(step.after))) || 0
  if (status === 0)
    for (const { step, input } of stale) stamps[step.name] = { input, output: hashOf(step.outputs) }
  writeFileSync(STAMPS, `${JSON.stringify(stamps, null, 2)}\n`)
  failed ||= status
}

/** Builds groups, one after the other. */
async function build(groups) {
  for (const group of groups) {
    await buildTogether(group)
    if (failed !== 0) return
  }
}

// Two lanes that take about as long as each other. Pages need declarations, and the rest needs
// nothing of other steps while it is built.
const isOfTypes = ({ name }) => ['typescript', 'pages'].includes(name)
const alone = (steps) => steps.map((step) => [step])
const rest = all.filter((step) => !isEngine(step) && !isOfTypes(step))
const lanes = [[all.filter(isEngine), ...alone(rest)], alone(all.filter(isOfTypes))]
if (dryRun) await build(lanes.flat())
else await Promise.all(lanes.map(build))
if (failed !== 0) process.exit(failed)
removeOrphans(all)
