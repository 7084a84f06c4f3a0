/** Networks of one's own: --model names a module, a model file or a run's folder. */

import { cp, readFile, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { durations } from '../../src/diagnose/measure.js'
import { moduleOf, netModule, packageFolder, withModules } from '../support/own-models.js'
import { weightsHash } from '../support/runs.js'
import { run as runProcess } from './command.js'
import { type Commands, commandsIn, run, small } from './in-process.js'

// Nobody looks at the times.
const ofUsers = { ...durations }
Object.assign(durations, { warmUp: 1, measure: 1 })
test.after(() => void Object.assign(durations, ofUsers))

const train = `train ${small} --time-steps 2 --no-report`

/** A folder with a module `my-net.mjs`, and commands that run there. */
const withNet = (body: (folder: string, commands: Commands) => Promise<void>): Promise<void> =>
  withModules({ 'my-net.mjs': netModule(12) }, (folder) => body(folder, commandsIn(folder)))

const optionsOf = async (folder: string) =>
  JSON.parse(await readFile(join(folder, 'run/options.json'), 'utf8'))

test('a run of a module is tested, exported, verified and shown without it', () =>
  withNet(async (folder, { lastOf, refuse }) => {
    const { model, parameters, testAccuracy } = await lastOf(
      `${train} --model ./my-net.mjs --out run`,
    )
    assert.equal([model, parameters], ['my-net.mjs', 64 * 12 + 12 + 12 * 10 + 10])
    const options = await optionsOf(folder)
    assert.equal([options.model, options.network.nodes.length], ['my-net.mjs', 4])
    assert.match(options.modelSha256, /^[0-9a-f]{64}$/)
    await rm(join(folder, 'my-net.mjs'))
    await writeFile(join(folder, 'x.bin'), new Float32Array(64))
    const tested = await lastOf('eval --run run')
    assert.equal([tested.model, tested.testAccuracy], ['my-net.mjs', testAccuracy])
    await lastOf('export --run run --out net.wasm')
    const { exact } = await lastOf('verify net.wasm --run run --hosts node --samples 5')
    assert.is(exact, true)
    for (const line of ['predict --run run x.bin', 'info --run run']) await lastOf(line)
    await refuse(
      'eval --run run --tau 2',
      /--tau must be left out, since my-net\.mjs alone says .* got 2; give its/,
    )
  }))

test('every command takes a module, a model file and a folder as --model', () =>
  withNet(async (folder, { lastOf, refuse }) => {
    await lastOf(`${train} --model ./my-net.mjs --out run`)
    await writeFile(join(folder, 'x.bin'), new Float32Array(64))
    const verify = 'verify net.wasm --hosts node --samples 2'
    const diagnose = 'diagnose --steps 1 --time-steps 1,2 --limit-train 64 --out diagnosis'
    // Those that need weights take a module beside them.
    const needWeights = ['eval --limit-test 20', 'predict x.bin', 'export --out net.wasm', verify]
    const weights = '--weights run/weights.safetensors'
    for (const model of ['./run', 'run/weights.safetensors'])
      for (const line of [train, ...needWeights, 'info', diagnose, 'show --trace'])
        await lastOf(`${line} --model ${model}`)
    const withWeights = needWeights.map((line) => `${line} ${weights}`)
    for (const line of [train, ...withWeights, 'info', diagnose])
      await lastOf(`${line} --model ./my-net.mjs`)
    await refuse(
      `eval ${weights} --model ./run`,
      /--model must be a name or a module of your own beside run\/weights/,
    )
  }))

test('a run goes on with its own network; a module that gives another is refused in one line', () =>
  withNet(async (folder, { lastOf, refuse }) => {
    const line = `${train} --epochs 30 --model ./my-net.mjs`
    await lastOf(`${line} --out whole`)
    const begun = await runProcess(`${line} --out cut --checkpoint-every 1`.split(' '), {
      cwd: folder,
      interruptWhen: (text) => /epoch +1\//.test(text),
    })
    assert.is(begun.code, 130, begun.stderr)
    await writeFile(join(folder, 'my-net.mjs'), netModule(13))
    for (const model of ['./my-net.mjs', 'mlp'])
      await refuse(
        `train --resume cut --model ${model}`,
        /: --resume: \S+ must give the network that the run in cut has, got another; leave/,
      )
    // The same network in another text is the same.
    await writeFile(join(folder, 'my-net.mjs'), `// changed\n${netModule(12)}`)
    await lastOf('train --resume cut --model ./my-net.mjs')
    await rm(join(folder, 'my-net.mjs'))
    await lastOf('train --resume cut --threads 1')
    assert.is(await weightsHash(join(folder, 'cut')), await weightsHash(join(folder, 'whole')))
  }))

test('what options of a run name is never imported', () =>
  withModules({ 'evil.mjs': "console.error('imported')\n" }, async (folder) => {
    const { lastOf, run } = commandsIn(folder)
    await lastOf(`${train} --out run`)
    const options = await optionsOf(folder)
    const sha = { modelSha256: 'a'.repeat(64) }
    for (const change of [{ model: './evil.mjs' }, { model: './evil.mjs', ...sha }]) {
      await rm(join(folder, 'run/manifest.json'), { force: true })
      await writeFile(join(folder, 'run/options.json'), JSON.stringify({ ...options, ...change }))
      for (const line of ['eval --run run --tau 2', 'train --resume run']) {
        const { code, stderr } = await run(line)
        assert.is(code, 1)
        assert.not.match(stderr, /imported/)
        assert.match(stderr, /evil\.mjs|manifest/)
      }
    }
  }))

test('a network that another copy of the package has made is the same network', () =>
  withNet(async (folder, { lastOf }) => {
    await lastOf(`${train} --model ./my-net.mjs --out one`)
    const copy = join(folder, 'node_modules', 'spikewasm')
    await rm(copy)
    for (const part of ['package.json', 'build/dist'])
      await cp(join(packageFolder, part), join(copy, part), {
        recursive: true,
        filter: (name) => !/\.(ts|map)$/.test(name),
      })
    await writeFile(join(folder, 'my-net.mjs'), `// of a copy\n${netModule(12)}`)
    await lastOf(`${train} --model ./my-net.mjs --out two`)
    assert.is(await weightsHash(join(folder, 'one')), await weightsHash(join(folder, 'two')))
  }))

/** Modules that give no network, and what is said of them. */
const wrong: readonly (readonly [name: string, text: string | undefined, message: RegExp])[] = [
  ['missing.mjs', undefined, /^--model must be a module, a model file .* where nothing is; mind/],
  ['throws.mjs', "throw new TypeError('bad\\nday')", /must be a module .* it threw: bad.+day$/],
  ['syntax.mjs', 'const a = 1\nexport default {,}', /a syntax error in line 2: Unexpected/],
  ['names.mjs', "import { foo } from 'spikewasm'", /: .* error in line 1: .*no?t provide .* 'foo'/],
  ['imports.mjs', "import 'not-there'", /: must find what it imports, .*'not-there'.*npm install/],
  ['nothing.mjs', 'export const net = 1', /: its default export must be a network, .* got none$/],
  ['list.mjs', moduleOf('[flatten()]'), /: its default export must be a network, .* got \[/],
  ['gives.mjs', moduleOf('() => 3'), /: its default export must .* got a function that gives 3$/],
  [
    'calls.mjs',
    moduleOf('({ classes: c }) => c.a.b'),
    /: its function must .* \{"input":\[1,8,8\]/,
  ],
  ['input.mjs', moduleOf('sequential(flatten(), linear(65, 10))'), /\(linear\): expects 65/],
  ['classes.mjs', moduleOf('sequential(flatten(), linear(64, 7))'), /their 10 classes, got \[7/],
  ['pictures.mjs', moduleOf('lif()'), /their 10 classes, got \[1, 8, 8\]; end it in linear/],
  ['wired.mjs', moduleOf('block({ a: flatten() }, (m, x) => m.b(x))'), /8\]: m\.b is not a f/],
  ['odd.mjs', "export default { kind: 'odd' }", /\[1, 8, 8\]: .*must be a layer or a block.*"odd"/],
  ['text.ts', 'const a: number = 1; export default a', /: (must be JavaScript: Node|its default)/],
  ['net.safetensors', 'x', /: .*/],
  ['net.nir', 'x', /: .*/],
  [
    'net.wasm',
    '\0asm\u0001\0\0\0',
    /: must be a file of weights, got a WebAssembly module; .*--we/,
  ],
]
for (const [name, text, message] of wrong)
  test(`${name}: one line says what is wrong`, () =>
    withModules(text === undefined ? {} : { [name]: text }, async (folder) => {
      for (const line of [train, 'diagnose --limit-train 64', 'info']) {
        const { code, stdout, stderr } = await run(`${line} --model ./${name}`, { cwd: folder })
        assert.equal([code, stdout], [1, ''], line)
        const said = /^spikewasm: ([^\n]+)\n$/.exec(stderr)?.[1] ?? ''
        assert.ok(said.includes(name), stderr)
        assert.match(said.replace(`./${name}`, ''), message)
      }
    }))

test.run()
