/** Networks of one's own: --model names a module, a model file or a run's folder. */

import { cp, readFile, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { moduleOf, netModule, packageFolder, withModules } from '../support/own-models.js'
import { weightsHash } from '../support/runs.js'
import { run as runProcess } from './command.js'
import { parseLines, run, tiny } from './in-process.js'

const train = ['train', ...tiny, '--time-steps', '2', '--no-report']

/** The last line of a command with --json. */
async function lastOf(args: readonly string[], cwd: string): Promise<Record<string, unknown>> {
  const { code, stdout, stderr } = await run([...args, '--json'], { cwd })
  assert.is(code, 0, `${args.join(' ')}: ${stderr}`)
  return parseLines(stdout).at(-1) ?? {}
}

test('a run of a module is tested, exported, verified and shown without it', () =>
  withModules({ 'my-net.mjs': netModule(12) }, async (folder) => {
    const { model, parameters, testAccuracy } = await lastOf(
      [...train, '--model', './my-net.mjs', '--out', 'run'],
      folder,
    )
    assert.equal([model, parameters], ['my-net.mjs', 64 * 12 + 12 + 12 * 10 + 10])
    const options = JSON.parse(await readFile(join(folder, 'run/options.json'), 'utf8'))
    assert.equal([options.model, options.network.nodes.length], ['my-net.mjs', 4])
    assert.match(options.modelSha256, /^[0-9a-f]{64}$/)
    await rm(join(folder, 'my-net.mjs'))
    await writeFile(join(folder, 'x.bin'), new Float32Array(64))
    const tested = await lastOf(['eval', '--run', 'run'], folder)
    assert.equal([tested.model, tested.testAccuracy], ['my-net.mjs', testAccuracy])
    await lastOf(['export', '--run', 'run', '--out', 'net.wasm'], folder)
    const hosts = ['--hosts', 'node', '--samples', '5']
    const { exact } = await lastOf(['verify', 'net.wasm', '--run', 'run', ...hosts], folder)
    assert.is(exact, true)
    for (const args of [
      ['predict', '--run', 'run', 'x.bin'],
      ['info', '--run', 'run'],
    ])
      await lastOf(args, folder)
    const { stderr } = await run(['eval', '--run', 'run', '--tau', '2'], { cwd: folder })
    assert.match(stderr, /--tau must be left out, since my-net\.mjs alone says .* got 2; give its/)
  }))

test('every command takes a module, a model file and a folder as --model', () =>
  withModules({ 'my-net.mjs': netModule(12) }, async (folder) => {
    await lastOf([...train, '--model', './my-net.mjs', '--out', 'run'], folder)
    await writeFile(join(folder, 'x.bin'), new Float32Array(64))
    const few = ['--limit-test', '20']
    const weights = ['--weights', 'run/weights.safetensors']
    const diagnose = ['diagnose', '--steps', '1', '--time-steps', '1,2', '--limit-train', '64']
    const [whole, own] = [['./run', 'run/weights.safetensors'], './my-net.mjs']
    const cases: readonly (readonly [args: string[], models: readonly string[]])[] = [
      [train, [...whole, own]],
      [['eval', ...few], whole],
      [['eval', ...few, ...weights], [own]],
      [['predict', 'x.bin'], whole],
      [['predict', 'x.bin', ...weights], [own]],
      [['export', '--out', 'net.wasm'], whole],
      [['export', '--out', 'net.wasm', ...weights], [own]],
      [['verify', 'net.wasm', '--hosts', 'node', '--samples', '2'], whole],
      [['verify', 'net.wasm', '--hosts', 'node', '--samples', '2', ...weights], [own]],
      [['info'], [...whole, own]],
      [
        [...diagnose, '--out', 'diagnosis'],
        [...whole, own],
      ],
      [['show', '--trace'], whole],
    ]
    for (const [args, models] of cases)
      for (const model of models) await lastOf([...args, '--model', model], folder)
    const twice = await run(['eval', ...weights, '--model', './run'], { cwd: folder })
    assert.match(twice.stderr, /--model must be a name or a module of your own beside run\/weights/)
  }))

test('a run goes on with its own network; a module that gives another is refused in one line', () =>
  withModules({ 'my-net.mjs': netModule(12) }, async (folder) => {
    const args = [...train, '--epochs', '30', '--model', './my-net.mjs']
    await lastOf([...args, '--out', 'whole'], folder)
    const begun = await runProcess([...args, '--out', 'cut', '--checkpoint-every', '1'], {
      cwd: folder,
      onOutput: (text, interrupt) => /epoch +1\//.test(text) && interrupt(),
    })
    assert.is(begun.code, 130, begun.stderr)
    const resume = ['train', '--resume', 'cut']
    await writeFile(join(folder, 'my-net.mjs'), netModule(13))
    const message =
      /^spikewasm: --resume: \S+ must give the network that the run in cut has, got another; leave/
    for (const model of ['./my-net.mjs', 'mlp']) {
      const other = await run([...resume, '--model', model], { cwd: folder })
      assert.match(other.stderr, message)
      assert.is(other.code, 1)
    }
    // The same network in another text is the same.
    await writeFile(join(folder, 'my-net.mjs'), `// changed\n${netModule(12)}`)
    await lastOf([...resume, '--model', './my-net.mjs'], folder)
    await rm(join(folder, 'my-net.mjs'))
    await lastOf([...resume, '--threads', '1'], folder)
    assert.is(await weightsHash(join(folder, 'cut')), await weightsHash(join(folder, 'whole')))
  }))

test('what options of a run name is never imported', () =>
  withModules({ 'evil.mjs': "console.error('imported')\n" }, async (folder) => {
    await lastOf([...train, '--out', 'run'], folder)
    const path = join(folder, 'run/options.json')
    const options = JSON.parse(await readFile(path, 'utf8'))
    const sha = { modelSha256: 'a'.repeat(64) }
    for (const change of [{ model: './evil.mjs' }, { model: './evil.mjs', ...sha }]) {
      await rm(join(folder, 'run/manifest.json'), { force: true })
      await writeFile(path, JSON.stringify({ ...options, ...change }))
      for (const args of [
        ['eval', '--run', 'run', '--tau', '2'],
        ['train', '--resume', 'run'],
      ]) {
        const { code, stderr } = await run(args, { cwd: folder })
        assert.is(code, 1)
        assert.not.match(stderr, /imported/)
        assert.match(stderr, /evil\.mjs|manifest/)
      }
    }
  }))

test('a network that another copy of the package has made is the same network', () =>
  withModules({ 'my-net.mjs': netModule(12) }, async (folder) => {
    const args = [...train, '--model', './my-net.mjs', '--out']
    await lastOf([...args, 'one'], folder)
    const copy = join(folder, 'node_modules', 'spikewasm')
    await rm(copy)
    for (const part of ['package.json', 'build/src', 'build/assembly'])
      await cp(join(packageFolder, part), join(copy, part), {
        recursive: true,
        filter: (name) => !/\.(ts|map)$/.test(name),
      })
    await writeFile(join(folder, 'my-net.mjs'), `// of a copy\n${netModule(12)}`)
    await lastOf([...args, 'two'], folder)
    const [one, two] = await Promise.all(
      ['one', 'two'].map((run) => weightsHash(join(folder, run))),
    )
    assert.is(one, two)
  }))

/** Modules that give no network, and what is said of them. */
const wrong: readonly (readonly [name: string, text: string | undefined, message: RegExp])[] = [
  ['missing.mjs', undefined, /^--model must be a module, a model file .* where nothing is; mind/],
  [
    'throws.mjs',
    "throw new TypeError('bad\\nday')",
    /: must be a module .*, but it threw: bad.+day$/,
  ],
  [
    'syntax.mjs',
    'const a = 1\nexport default {,}',
    /: .* got a syntax error in line 2: Unexpected/,
  ],
  ['names.mjs', "import { foo } from 'spikewasm'", /: .* error in line 1: .*no?t provide .* 'foo'/],
  [
    'imports.mjs',
    "import 'not-there'",
    /: must find what it imports, got: .*'not-there'.*npm install/,
  ],
  ['nothing.mjs', 'export const net = 1', /: its default export must be a network, .* got none$/],
  ['list.mjs', moduleOf('[flatten()]'), /: its default export must be a network, .* got \[/],
  ['gives.mjs', moduleOf('() => 3'), /: its default export must .* got a function that gives 3$/],
  [
    'calls.mjs',
    moduleOf('({ classes }) => classes.a.b'),
    /: its function must .* \{"input":\[1,8,8\]/,
  ],
  [
    'input.mjs',
    moduleOf('sequential(flatten(), linear(65, 10))'),
    /\[1, 8, 8\]: 1 \(linear\): expects 65/,
  ],
  [
    'classes.mjs',
    moduleOf('sequential(flatten(), linear(64, 7))'),
    /each of their 10 classes, got \[7/,
  ],
  [
    'pictures.mjs',
    moduleOf('lif()'),
    /each of their 10 classes, got \[1, 8, 8\]; end it in linear/,
  ],
  [
    'wired.mjs',
    moduleOf('block({ a: flatten() }, (m, x) => m.b(x))'),
    /\[1, 8, 8\]: m\.b is not a f/,
  ],
  ['odd.mjs', "export default { kind: 'odd' }", /\[1, 8, 8\]: .*must be a layer or a block.*"odd"/],
  ['text.ts', 'const a: number = 1; export default a', /: (must be JavaScript: Node|its default)/],
  ['net.safetensors', 'x', /: .*/],
  ['net.nir', 'x', /: .*/],
  [
    'net.wasm',
    '\0asm\u0001\0\0\0',
    /: must be a file of weights, got a WebAssembly module; .*--weights/,
  ],
]
for (const [name, text, message] of wrong)
  test(`${name}: one line says what is wrong`, () =>
    withModules(text === undefined ? {} : { [name]: text }, async (folder) => {
      for (const command of [train, ['diagnose', '--limit-train', '64'], ['info']]) {
        const { code, stdout, stderr } = await run([...command, '--model', `./${name}`], {
          cwd: folder,
        })
        assert.equal([code, stdout], [1, ''], command[0])
        assert.match(stderr, /^spikewasm: [^\n]+\n$/)
        const said = stderr.slice('spikewasm: '.length, -1)
        assert.ok(said.includes(name), said)
        assert.match(said.replace(`./${name}`, ''), message)
      }
    }))

test('a text that is no name and no path says what there is', async () => {
  const { stderr } = await run(['train', '--model', 'vgg12'])
  assert.match(
    stderr,
    /--model must be one of mlp, .*, or a path, such as \.\/my-net\.mjs, got "vgg12"/,
  )
})

test.run()
