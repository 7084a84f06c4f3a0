// runs: waits
/**
 * The packed package in a project of its own, installed with npm's defaults: no native code and no
 * install scripts come with it; it trains, has types and a command.
 */
import { execFile } from 'node:child_process'
import { existsSync } from 'node:fs'
import { mkdir, open, readdir, readFile, stat, writeFile } from 'node:fs/promises'
import { join, posix, relative } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { folderFor } from '../files/temporary.js'
import { compile } from '../support/compiler.js'
import { isLong } from '../support/long.js'
import { allow } from '../support/runner.js'

const root = fileURLToPath(new URL('../../..', import.meta.url))
const run = promisify(execFile)
const windows = process.platform === 'win32'
/**
 * `npm test` hands settings of this package on to child processes; they are not the new project's.
 */
const env = Object.fromEntries(
  Object.entries(process.env).filter(
    ([name]) =>
      !name.toLowerCase().startsWith('npm_') || name.toLowerCase() === 'npm_config_registry',
  ),
)

/** npm as `npm test` runs, otherwise the one on the path. */
function npm(args: string[], options: { cwd: string }) {
  const script = process.env.npm_execpath
  return script?.endsWith('.js')
    ? run(process.execPath, [script, ...args], { ...options, env })
    : run('npm', args, { ...options, env, shell: windows })
}

const folder = folderFor(test)
const project = join(folder, 'project')
let tarball = ''
/** Files of the tarball. */
let packed: string[] = []
/** Bytes of the tarball, and of what it holds. */
let sizes = { size: 0, unpackedSize: 0 }
/** A folder with what the tarball holds. */
let unpacked = ''
/** What npm prints while it installs the package. */
let installed = ''

/** A tarball of some of the packed files, as npm packs them. */
async function tarOf(name: string, files: readonly string[]): Promise<string> {
  const list = `${name}.txt`
  await writeFile(join(folder, list), files.map((file) => `package/${file}\n`).join(''))
  await run('tar', ['-czf', name, '-T', list], { cwd: folder })
  return join(folder, name)
}

/** Unpacks the tarball, without the folder that npm packs files into. */
const unpack = (into: string): Promise<unknown> =>
  run('tar', ['-xzf', relative(into, tarball), '--strip-components', '1'], { cwd: into })

test.before(async () => {
  allow(300)
  await mkdir(project)
  await writeFile(
    join(project, 'package.json'),
    JSON.stringify({ name: 'project', private: true, type: 'module' }),
  )
  // build/ exists: the tests run from it.
  const { stdout } = await npm(
    ['pack', '--ignore-scripts', '--json', '--pack-destination', folder],
    { cwd: root },
  )
  const [{ filename, files, ...bytes }] = JSON.parse(stdout) as [
    { filename: string; files: { path: string }[] } & typeof sizes,
  ]
  sizes = bytes
  packed = files.map((file) => file.path)
  tarball = join(folder, filename)
  unpacked = join(folder, 'package')
  await mkdir(unpacked)
  await unpack(unpacked)
  // npm takes long to unpack so many files: it gets those that tell it what to do. The others are
  // put beside them as they are.
  const decides = (path: string): boolean => !path.includes('/') || path.startsWith('bin/')
  const given = isLong ? tarball : await tarOf('decides.tgz', packed.filter(decides))
  const install = await npm(['install', '--no-audit', '--no-fund', given], { cwd: project })
  installed = `${install.stdout}${install.stderr}`
  if (!isLong) await unpack(join(project, 'node_modules/spikewasm'))
})

/** Paths of all files below a folder. */
async function filesBelow(path: string): Promise<string[]> {
  const entries = await readdir(path, { recursive: true, withFileTypes: true })
  const files = entries.filter((entry) => entry.isFile())
  return files.map((entry) => join(entry.parentPath, entry.name))
}

test('the package holds built code, engines and digits, and neither tests nor sources', () => {
  for (const path of [
    'package.json',
    'LICENSE',
    'bin/spikewasm.js',
    'build/dist/index.js',
    'build/dist/index.d.ts',
    'build/dist/page.js',
    'data/digits.csv.gz',
  ])
    assert.ok(packed.includes(path), path)
  // Their links are absolute: see readme.test.ts.
  assert.equal(packed.filter((path) => /^(?!build\/).*\.md$/.test(path)).sort(), [
    'CHANGELOG.md',
    'README.md',
    'SECURITY.md',
    'data/README.md',
  ])
  for (const engine of ['engine', 'engine-threads', 'engine-debug', 'engine-wide'])
    assert.ok(packed.includes(`build/wasm/${engine}.wasm`), engine)
  assert.equal(
    packed.filter((path) => /test|bench|fixtures|node_modules|(?<!\.d)\.ts$/.test(path)).sort(),
    [
      ...packed.filter((path) => path.startsWith('build/dist/bench/')),
      'build/wasm/bench-peak.wasm',
    ].sort(),
  )
})

test('the package is small: bytes, files, and what an entry and the command read', async () => {
  assert.ok(sizes.size <= 1_600_000, `${sizes.size} bytes packed`)
  assert.ok(sizes.unpackedSize <= 5_000_000, `${sizes.unpackedSize} bytes unpacked`)
  assert.ok(packed.length <= 250, `${packed.length} files`)
  for (const entry of ['index', 'ops', 'net', 'layers', 'scale', 'cli', 'page', 'page-net']) {
    const read = await readWith(`build/dist/${entry}.js`)
    assert.ok(read.size >= 2 && read.size <= 8, `${entry} reads ${[...read].join(', ')}`)
  }
})

/** A file, and all that it imports when it is loaded. */
async function readWith(path: string, found = new Set<string>()): Promise<Set<string>> {
  if (found.has(path)) return found
  found.add(path)
  const text = await readFile(join(unpacked, path), 'utf8')
  for (const [, file] of text.matchAll(
    /(?:^|[;}])\s*(?:import|export)\b[^"'();]*?["'](\.[^"']+)["']/gm,
  ))
    await readWith(posix.join(posix.dirname(path), file), found)
  return found
}

test('publint and attw find nothing wrong with the package', async () => {
  const tool = (path: string): string => join(root, 'node_modules', path)
  await run(process.execPath, [tool('publint/src/cli.js'), 'run', tarball, '--strict']).catch(fail)
  // What it finds in the types of entries, compiling them below finds too.
  if (!isLong) return
  const attw = tool('@arethetypeswrong/cli/dist/index.js')
  // It looks for each folder among all files: it gets those that types are about.
  const { exports } = JSON.parse(await readFile(join(unpacked, 'package.json'), 'utf8'))
  const entries = [...JSON.stringify(exports).matchAll(/"\.\/([^"]+\.js)"/g)].map(
    ([, path]) => path,
  )
  assert.ok(entries.length >= 10, entries.join())
  const typed = packed.filter((path) => path.endsWith('.d.ts') || entries.includes(path))
  const types = await tarOf('types.tgz', ['package.json', ...typed])
  const data = Object.keys(exports as object).filter((name) => !/^\.(\/[a-z]+)?$/.test(name))
  await run(process.execPath, [
    ...[attw, types, '--profile', 'esm-only', '--exclude-entrypoints', ...data],
  ]).catch(fail)
})

const fail = ({ stdout, stderr }: { stdout: string; stderr: string }): void =>
  assert.unreachable(`${stdout}${stderr}`)

test('source maps: what a packed file names is packed, with the sources that it names', async () => {
  const text = (path: string): Promise<string> => readFile(join(unpacked, path), 'utf8')
  const absent: string[] = []
  const code = packed.filter((path) => /\.(m?js|css|html)$/.test(path))
  for (const path of code)
    for (const [, map] of (await text(path)).matchAll(
      /^\/[/*]# sourceMappingURL=(?!data:)(\S+)/gm,
    )) {
      const found = posix.join(posix.dirname(path), map)
      if (!packed.includes(found)) absent.push(`${path}: ${found}`)
    }
  for (const path of packed.filter((file) => file.endsWith('.map'))) {
    const { sources, sourcesContent = [] } = JSON.parse(await text(path)) as {
      sources: string[]
      sourcesContent?: (string | null)[]
    }
    for (const [i, source] of sources.entries()) {
      const found = posix.join(posix.dirname(path), source)
      if (typeof sourcesContent[i] !== 'string' && !packed.includes(found))
        absent.push(`${path}: ${found}`)
    }
  }
  assert.ok(code.length > 50, `${code.length} files`)
  assert.equal(absent.slice(0, 5), [])
})

/** The first bytes of programs and libraries: ELF, Mach-O in both orders and fat, PE. */
const magics = ['7f454c46', 'feedface', 'feedfacf', 'cefaedfe', 'cffaedfe', 'cafebabe', '4d5a']

/** Whether a file begins as a program or a library of an operating system. */
async function isNative(path: string): Promise<boolean> {
  const file = await open(path)
  try {
    const { buffer, bytesRead } = await file.read(Buffer.alloc(4), 0, 4, 0)
    const start = buffer.subarray(0, bytesRead).toString('hex')
    return magics.some((magic) => start.startsWith(magic))
  } finally {
    await file.close()
  }
}

test('the check for native code knows it', async () => {
  assert.ok(await isNative(process.execPath), 'node itself')
  assert.not.ok(await isNative(join(root, 'package.json')))
})

test('node_modules: no native code, no install scripts, at most 5.5 MB', async () => {
  const files = await filesBelow(join(project, 'node_modules'))
  assert.ok(files.length > 50, `${files.length} files`)
  const wrong: string[] = []
  for (const path of files) {
    // npm builds on its own what has a binding.gyp.
    const isBuilt = /\.(node|dll|so|dylib|exe)$|binding\.gyp$/.test(path)
    if (isBuilt || (await isNative(path))) wrong.push(path)
    if (!path.endsWith('package.json')) continue
    const { name, scripts = {} } = JSON.parse(await readFile(path, 'utf8'))
    const started = ['preinstall', 'install', 'postinstall']
    // `prepare` counts too among our own scripts: npm 11 reports it as an install script.
    for (const script of name === 'spikewasm' ? [...started, 'prepare'] : started)
      if (script in scripts) wrong.push(`${path}: ${script}`)
  }
  assert.equal(wrong, [])
  assert.match(installed, /added \d+ packages/)
  assert.not.match(installed, /install-?scripts?/i)
  const sizes = await Promise.all(files.map(async (path) => (await stat(path)).size))
  const megabytes = sizes.reduce((sum, bytes) => sum + bytes, 0) / 1e6
  assert.ok(megabytes <= 5.5, `${megabytes} MB`)
})

test("others' code is bundled with its licence and needs only modules of Node", async () => {
  const vendor = join(project, 'node_modules/spikewasm/build/dist/engine/vendor')
  for (const [name, licence] of [
    ['piscina', 'The MIT License'],
    ['loader', 'Apache License'],
  ])
    assert.match(await readFile(join(vendor, name, 'LICENSE'), 'utf8'), licence)
  for (const path of await filesBelow(vendor))
    if (path.endsWith('.js'))
      for (const [, module] of (await readFile(path, 'utf8')).matchAll(
        /(?:\brequire\(|\bfrom\s*|\bimport\(?\s*)["']([^"']+)["']/g,
      ))
        assert.match(module, /^node:/, path)
})

test('a program trains with and without threads to the same bits, saves, and ends', async () => {
  await writeFile(
    join(project, 'train.js'),
    `import {
  avgPool2d, batchNorm2d, conv2d, datasets, flatten, lif, linear, sequential, sgd,
} from 'spikewasm'
const { train } = await datasets.digits()
const sums = []
for (const threads of [1, 2]) {
  const net = sequential(
    conv2d(1, 8, 3, { padding: 1 }), batchNorm2d(8), lif(),
    avgPool2d(2), flatten(), linear(128, 10),
  )
  const model = await net.compile({ input: [1, 8, 8], batchSize: 64, threads })
  const { epochs } = await model.fit(train, { epochs: 2, optimizer: sgd({ lr: 0.1 }) })
  sums.push(Object.values(model.stateDict()).flatMap(({ data }) => [...data]).join())
  await model.save('digits.safetensors')
  const losses = epochs.map((epoch) => epoch.trainLoss)
  console.log(JSON.stringify({ losses, accuracy: epochs[1].trainAccuracy }))
  await model.dispose()
}
console.log(sums[0] === sums[1] ? 'same bits' : 'different bits')
`,
  )
  const { stdout } = await run(process.execPath, ['train.js'], { cwd: project, env })
  const lines = stdout.trim().split('\n')
  assert.is(lines[2], 'same bits')
  const { losses, accuracy } = JSON.parse(lines[0]) as { losses: number[]; accuracy: number }
  assert.ok(losses[1] < losses[0] && accuracy > 0.7, lines[0])
  assert.ok(existsSync(join(project, 'digits.safetensors')))
})

/** Programs that the package's types are compiled with, by their names. */
const programs = {
  'typed.ts': `import { type Model, flatten, linear, sequential, sgd } from 'spikewasm'
export async function train(): Promise<Model> {
  const net = sequential(flatten(), linear(4, 2))
  const model = await net.compile({ input: [1, 2, 2], batchSize: 8 })
  await model.trainStep(new Float32Array(32), new Int32Array(8))
  return model
}
export const optimizer = sgd({ lr: 0.1 })
// @ts-expect-error: the types are there, so a wrong one is an error
export const wrong = sgd({ lr: 'high' })
`,
  'objects.ts': `import { type CompileOptions, datasets, type EvaluateOptions, events, openNet } from 'spikewasm'
type Same<A, B> = (<T>() => T extends A ? 1 : 2) extends <T>() => T extends B ? 1 : 2 ? true : false
export const signal: Same<EvaluateOptions['signal'], AbortSignal | undefined> = true
export const memory: Same<Awaited<ReturnType<typeof openNet>>['memory'], WebAssembly.Memory> = true
export const wasm: CompileOptions['wasm'] = {} as WebAssembly.Module
export const given = async (files: File[], url: URL, file: File) => {
  await datasets.mnist(files)
  await datasets.mnist(url)
  await events.read(file)
  // @ts-expect-error: a number is no file
  await events.read(3)
}
`,
}

/** What a program's types know of a page's objects and of Node's. */
const surroundings: Record<string, { lib?: string; types?: string[]; files?: string[] }> = {
  neither: {},
  Node: { types: ['node'] },
  'a page': { lib: 'DOM', files: ['objects.ts'] },
  'a worker of a page': { lib: 'WebWorker', files: ['objects.ts'] },
}

for (const [name, { lib, types = [], files = [] }] of Object.entries(surroundings))
  test(`all entries' types compile strictly with the types of ${name}`, async () => {
    for (const [file, text] of Object.entries(programs)) await writeFile(join(project, file), text)
    const { exports } = JSON.parse(await readFile(join(unpacked, 'package.json'), 'utf8')) as {
      exports: Record<string, string | object>
    }
    const entries = Object.keys(exports).filter((entry) => typeof exports[entry] === 'object')
    assert.ok(entries.includes('./ops') && entries.length >= 6, entries.join())
    const all = entries.map((entry, i) => `export * as _${i} from 'spikewasm${entry.slice(1)}'\n`)
    await writeFile(join(project, 'entries.ts'), all.join(''))
    // Bundlers take the entries of pages.
    const bundler = { module: 'ESNext', moduleResolution: 'Bundler', customConditions: ['browser'] }
    const compilerOptions = {
      ...(lib === undefined ? { module: 'NodeNext' } : bundler),
      target: 'ES2022',
      lib: lib === undefined ? ['ES2023'] : ['ES2023', lib],
      types,
      typeRoots: [join(root, 'node_modules/@types')],
      strict: true,
      skipLibCheck: false,
      // Those that come with TypeScript.
      skipDefaultLibCheck: true,
    }
    const config = { compilerOptions, files: ['entries.ts', 'typed.ts', ...files] }
    const path = join(project, 'tsconfig.json')
    await writeFile(path, JSON.stringify(config))
    assert.is(await compile(path), '')
  })

/** What the installed command prints. */
async function command(...args: string[]): Promise<string> {
  const program = join(project, 'node_modules/.bin/spikewasm')
  return (await run(program, args, { cwd: project, env, shell: windows })).stdout
}

test('benchmarks run from the package', async () => {
  const bench = 'bench --quick --shape 8x8x8 --filter relu --json'.split(' ')
  const { smallerIsBetter } = JSON.parse(await command(...bench)) as {
    smallerIsBetter: { name: string }[]
  }
  assert.ok(smallerIsBetter.some(({ name }) => name.startsWith('relu ')))
})

test('entries share classes and what is registered', async () => {
  await writeFile(
    join(project, 'shared.js'),
    `import * as sw from 'spikewasm'
import * as ops from 'spikewasm/ops'
import * as net from 'spikewasm/net'
import * as scale from 'spikewasm/scale'
import 'spikewasm/layers'
const { relu } = sw.ops
const own = await sw.sequential(sw.flatten(), sw.linear(4, 2)).compile({ input: [1, 2, 2] })
const file = await sw.exportWasm(own)
const error = await net.openNet(new Uint8Array(4)).catch((reason) => reason)
console.log(relu === ops.relu, net.SpikewasmError === sw.SpikewasmError,
  error instanceof sw.SpikewasmError, (await net.openNet(file)).info.classes, typeof scale.fitRounds)
await own.dispose()
`,
  )
  const { stdout } = await run(process.execPath, ['shared.js'], { cwd: project, env })
  assert.match(stdout, /^true true true 2 function/)
})

test('threads that read ahead, and children of a sweep, start from the package', async () => {
  const base = { epochs: 1, limitTrain: 64, limitTest: 32 }
  await writeFile(join(project, 'sweep.json'), JSON.stringify({ base, grid: { seed: [1, 2] } }))
  await command('sweep', 'sweep.json', '--out', 'sweep')
  const results = await command('sweep', 'results', 'sweep', '--json')
  assert.is(results.match(/weightsSha256/g)?.length, 2, results)
  const train = '--epochs 1 --limit-train 64 --limit-test 32 --num-workers 1 --out one'.split(' ')
  await command('train', ...train)
  assert.ok(existsSync(join(project, 'one/report.html')))
})

test('the command runs', async () => assert.match(await command('info'), /spikewasm/i))

test.run()
