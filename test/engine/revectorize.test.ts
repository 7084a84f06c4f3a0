// runs: apart
/** When wide vectors are switched on, and which engine a model then runs. */

import { fileURLToPath } from 'node:url'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { loadApart, loadEngine } from '../../src/engine/load.js'
import { nodePlatform } from '../../src/engine/node/platform.js'
import { registerPlatform } from '../../src/engine/platform.js'
import { obstacle, wideSettings, wideVectors } from '../../src/engine/revectorize.js'
import { linear, sequential } from '../../src/index.js'
import { run } from '../cli/command.js'
import { expectRefusal } from '../files/temporary.js'

const compile = (revectorize?: boolean) =>
  sequential(linear(4, 3)).compile({ input: [4, 1, 1], timeSteps: 1, batchSize: 2, revectorize })

test('which hosts gain by them, and why others do not', () => {
  const features = 'fpu sse4_2 avx avx2 bmi1'
  const host = { node: '24.0.0', arch: 'x64', features }
  assert.is(obstacle(host), undefined)
  assert.is(obstacle({ ...host, features: undefined }), undefined)
  assert.is(obstacle({ ...host, node: '26.10.0' }), undefined)
  assert.match(obstacle({ ...host, node: '22.23.3' }) ?? '', 'Node 24 or newer')
  // An unknown flag would make V8 complain on standard error.
  assert.match(obstacle({ ...host, node: '27.0.0' }) ?? '', 'tried with Node 24 to 26 alone')
  assert.match(obstacle({ ...host, arch: 'arm64' }) ?? '', 'arm64')
  assert.match(obstacle({ ...host, features: 'fpu sse4_2 avx avx2x' }) ?? '', 'no AVX2')
  assert.match(obstacle({ ...host, node: undefined }) ?? '', 'only Node')
})

test('never behind the back of who did not ask', async () => {
  const model = await compile()
  assert.is(model.revectorized, false)
  assert.is((await wideVectors()).on, false)
  await model.dispose()
})

test('asked for: a compilation apart where they are on, no effect elsewhere', async () => {
  const plain = await compile()
  const model = await compile(true)
  const { on, why } = await wideVectors()
  if (!on) console.log(`no wide vectors here: ${why}`)
  assert.is(model.revectorized, on)
  assert.is((await model.session.engine) === (await loadEngine('engine')), !on)
  assert.is(await plain.session.engine, await loadEngine('engine'))
  const { logits } = await model.predict(new Float32Array(8).fill(1))
  assert.equal(logits, (await plain.predict(new Float32Array(8).fill(1))).logits)
  await plain.dispose()
  await model.dispose()
})

/** What a process of Node with these flags says of the settings of a model that wants wide vectors. */
async function settingsWith(flags: readonly string[], given: string): Promise<unknown> {
  const file = fileURLToPath(new URL('../../src/engine/revectorize.js', import.meta.url))
  const index = fileURLToPath(new URL('../../src/index.js', import.meta.url))
  const script =
    `await import(${JSON.stringify(index)});` +
    `const { wideSettings } = await import(${JSON.stringify(file)});` +
    `console.log(JSON.stringify(await wideSettings(${given})))`
  const args = [...flags, '--input-type=module', '-e', script]
  const { code, stdout, stderr } = await run(args, { node: true })
  assert.equal([code, stderr], [0, ''])
  return JSON.parse(stdout)
}

test('the engine for wide vectors runs where V8 joins neighbours, and nowhere else', async () => {
  const { on } = await wideVectors()
  const release = "{ engine: 'release' }"
  assert.equal(await settingsWith([], release), {
    engine: on ? 'wide' : 'release',
    revectorized: on,
  })
  // What Node is and what the processor has is as before: only V8 knows that it will not. Newer
  // versions ask the baseline's code what it has seen, and end the process without it.
  const isNew = Number.parseInt(process.versions.v8, 10) >= 14
  const optimised = ['--no-liftoff', ...(isNew ? ['--no-wasm-deopt'] : [])]
  for (const [flags, joins] of [
    [['--no-enable-avx2'], false],
    [['--liftoff-only'], false],
    [optimised, true],
    [[...optimised, '--no-enable-avx2'], false],
    [['--single-threaded'], true],
  ] as const) {
    const engine = on && joins ? 'wide' : 'release'
    assert.equal(await settingsWith(flags, release), { engine, revectorized: on }, flags.join(' '))
  }
  for (const [engine, wasm] of [
    ['debug', undefined],
    ['release', './engine.wasm'],
  ])
    assert.equal(await settingsWith([], JSON.stringify({ engine, wasm })), {
      engine,
      revectorized: on,
    })
})

test('its file is named where it is missing, and read again when it is there', async () => {
  const { on } = await wideVectors()
  const packageFile = (path: string): URL | undefined =>
    nodePlatform.packageFile(path.replace('-wide', '-gone')) ?? new URL(path, 'file:///gone/')
  registerPlatform({ ...nodePlatform, packageFile })
  const missing =
    /missing or damaged: .*engine-wide\.wasm cannot be read .*; install spikewasm again/
  await expectRefusal(() => loadApart('engine-wide', 'test'), missing)
  registerPlatform(nodePlatform)
  assert.ok((await loadApart('engine-wide', 'test')) instanceof WebAssembly.Module)
  const first = wideSettings({ engine: 'release' })
  assert.equal(await first, { engine: on ? 'wide' : 'release', revectorized: on })
})

test('the modules of both compilations export the same', async () => {
  const names = async (wide: boolean): Promise<string[]> =>
    WebAssembly.Module.exports(await loadEngine('engine', wide)).map(({ name }) => name)
  assert.equal(await names(true), await names(false))
})

test.run()
