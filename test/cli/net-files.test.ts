/** Commands that are given an exported network. */
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import type { ExportOptions } from '../../src/edge/abi.js'
import { exportWasm } from '../../src/edge/export.js'
import { openApart } from '../../src/edge/verify/apart.js'
import { makeTrials } from '../../src/edge/verify/trial.js'
import * as sw from '../../src/index.js'
import { compile, datasets, type Model, mlp } from '../../src/index.js'
import { loadModel } from '../../src/model/load.js'
import { messageOf } from '../files/temporary.js'
import { differing } from '../support/exported.js'
import { stripped, tinyNet } from '../support/tiny-net.js'
import { inFolder, small } from './in-process.js'

const input = [1, 8, 8] as const
const labels = ['o', ...'123456789']
const { test: data } = await datasets.digits()
const compiled = (): Promise<Model> => compile(mlp([...input], 10), { input, batchSize: 1 })

async function exported(model: Model, path: string, options: ExportOptions): Promise<Uint8Array> {
  const bytes = (await exportWasm(model, options)) as Uint8Array
  await writeFile(path, bytes)
  return bytes
}

const scaling = { mean: [0.3051], std: [0.3762] }
const kinds: Readonly<Record<string, ExportOptions>> = {
  'floats, with labels': { labels },
  bytes: { inputType: 'u8', ...scaling },
  steps: { mode: 'step' },
  'a file that learns': { mode: 'train', batchSize: 3 },
}
for (const [kind, options] of Object.entries(kinds))
  test(`predict, eval and info of ${kind}`, () =>
    inFolder(async (folder, { lastOf }) => {
      const model = await compiled()
      const { length } = await exported(model, join(folder, 'net.wasm'), options)
      const image = new Float32Array(64)
      data.read(7, image)
      await writeFile(join(folder, 'x.bin'), image)
      const { logits, classes } = await model.predict(image)
      const answer = await lastOf('predict --weights net.wasm x.bin')
      const own = answer.logits as number[]
      assert.is(own.length, 10)
      for (const [k, value] of own.entries())
        assert.ok(Math.abs(value - logits[k]) < (options.inputType === 'u8' ? 0.2 : 1e-6), kind)
      assert.equal([answer.class, answer.className], [classes[0], options.labels?.[classes[0]]])
      const tested = await lastOf('eval --weights net.wasm --limit-test 60')
      const { correct } = await lastOf('eval --on net.wasm --limit-test 60')
      assert.equal([tested.correct, tested.on, tested.sealed], [correct, 'net.wasm', true])
      const { model: facts } = await lastOf('info --weights net.wasm')
      const { file, bytes, sealed, mode, parameters } = facts as Record<string, unknown>
      assert.equal(
        [file, bytes, sealed, mode, parameters],
        ['net.wasm', length, true, options.mode ?? 'infer', model.parameterCount],
      )
      await model.dispose()
    }))

test('a still picture of bytes: as the file scales it, or by --mean and --std', () =>
  inFolder(async (folder, { lastOf, run, refuse }) => {
    const model = await compiled()
    await exported(model, join(folder, 'floats.wasm'), {})
    await exported(model, join(folder, 'bytes.wasm'), { inputType: 'u8', ...scaling })
    await model.dispose()
    const pixels = Uint8Array.from({ length: 64 }, (_, i) => (i * 37) % 256)
    await writeFile(join(folder, 'x.bin'), pixels)
    const scale = '--mean 0.3051 --std 0.3762'
    const one = (await lastOf(`predict --weights floats.wasm ${scale} x.bin`)).logits as number[]
    const other = (await lastOf('predict --weights bytes.wasm x.bin')).logits as number[]
    for (const [k, value] of one.entries()) assert.ok(Math.abs(value - other[k]) < 1e-5)
    await refuse(
      `predict --weights bytes.wasm ${scale} x.bin`,
      /--mean must be left out with an exported network, got 0\.3051/,
    )
    const none = await run('predict --weights floats.wasm x.bin')
    assert.match(none.stderr, /holds bytes, and --mean and --std must say how/)
  }))

test('one flipped bit: each command refuses the file; a stripped one says so', () =>
  inFolder(async (folder, { succeed, refuse }) => {
    const model = await compiled()
    const bytes = await exported(model, join(folder, 'net.wasm'), {})
    await model.save(join(folder, 'net.safetensors'))
    await model.dispose()
    await writeFile(join(folder, 'x.bin'), new Float32Array(64))
    const changed = bytes.slice()
    changed[bytes.length >> 1] ^= 16
    await writeFile(join(folder, 'bad.wasm'), changed)
    await writeFile(join(folder, 'bare.wasm'), stripped(bytes))
    for (const line of [
      'eval --on FILE --limit-test 20',
      'info --weights FILE',
      'predict --weights FILE x.bin',
      'verify FILE --weights net.safetensors --hosts node --samples 3 --seconds 1',
    ]) {
      const seal = /bad\.wasm: an exported network must have the seal/
      await refuse(line.replace('FILE', 'bad.wasm'), seal)
      const { stdout } = await succeed(line.replace('FILE', 'bare.wasm'))
      if (!line.startsWith('predict')) assert.match(stdout, /sealed.* no: its section was stripped/)
    }
  }))

test('a hostile file: class 99 of 10 is an error of eval, predict and verify', () =>
  inFolder(async (folder, { succeed, refuse }) => {
    const info = { input, classes: 10, inputType: 'f32' } as const
    const odd = tinyNet({ info, flaws: { answers: { predicted_class: 99 } } })
    await writeFile(join(folder, 'odd.wasm'), odd)
    await writeFile(join(folder, 'x.bin'), new Float32Array(64))
    await succeed(`train ${small} --out run`)
    for (const line of [
      'eval --on odd.wasm',
      'predict --weights odd.wasm x.bin',
      'verify odd.wasm --run run --hosts node',
    ])
      await refuse(line, /must answer predicted_class\(\) with 0 to 9, got 99/)
  }))

test('what takes weights alone says what opens an exported network', () =>
  inFolder(async (folder) => {
    const path = join(folder, 'net.wasm')
    await writeFile(path, tinyNet())
    const message =
      /net\.wasm: must be a file of weights, got a WebAssembly module; .*openNet.*eval/
    assert.match(await messageOf(() => loadModel(path)), message)
    const model = await compiled()
    assert.match(await messageOf(() => model.load(path)), message)
    await model.dispose()
  }))

/** An image and a state, by name. */
const named = { image: [2, 4, 4], state: [3] } as const
const two = () =>
  sw.block(
    { conv: sw.conv2d(2, 4, 3), lif: sw.lif(), flat: sw.flatten(), end: sw.linear(19, 3) },
    ({ conv, lif, flat, end }, { image, state }: Record<string, sw.Value>, { concat }) =>
      end(concat(flat(lif(conv(image))), state)),
  )

test('named inputs: info, predict and export of a file, and the export, give one answer', () =>
  inFolder(async (folder, { lastOf, succeed, refuse }) => {
    const model = await compile(two(), { input: named, batchSize: 2, seed: 3 })
    const path = 'net.safetensors'
    await model.save(join(folder, path))
    const x = Float32Array.from({ length: 35 }, (_, i) => 2 * Math.sin(i))
    await writeFile(join(folder, 'x.json'), JSON.stringify([...x]))
    const [image, state] = [x.slice(0, 32), x.slice(32)]
    const logits = [...(await model.predict({ image, state })).logits]
    await model.dispose()
    const { stdout } = await succeed(`info --weights ${path}`)
    assert.match(stdout, /input \{ image: \[2, 4, 4\], state: \[3\] \}/)
    assert.equal((await lastOf(`predict --weights ${path} x.json`)).logits, logits)
    for (const mode of ['infer', 'step']) {
      await succeed(`export --weights ${path} --mode ${mode} --out ${mode}.wasm`)
      const found = await lastOf(`predict --weights ${mode}.wasm x.json`)
      assert.equal(found.logits ?? found.outputs, logits, mode)
    }
    await succeed(`export --weights ${path} --mode train --out t.wasm`)
    assert.equal((await lastOf('predict --weights t.wasm x.json')).logits, logits)
    await writeFile(join(folder, 'short.json'), JSON.stringify([...image]))
    await refuse(`predict --weights ${path} short.json`, /must be a sample of \[35\]/)
    // No data set of the commands has inputs by name.
    await refuse(`eval --weights ${path}`, /the model takes samples of \[35\], got digits test/)
    await refuse(`verify infer.wasm --weights ${path}`, /must have samples of \[35, 1, 1\]/)
  }))

test('a trial of named inputs is compared with the model of the same names', async () => {
  const model = await compile(two(), { input: named, purpose: 'inference' })
  const weights = model.stateDict()
  for (const options of [{}, { mode: 'step' }] as const) {
    const net = await openApart((await exportWasm(model, options)) as Uint8Array, 'some.wasm')
    const inputs = {
      image: Float32Array.from({ length: 20 * 32 }, (_, i) => 2 * Math.sin(i)),
      state: Float32Array.from({ length: 20 * 3 }, (_, i) => Math.cos(3 * i)),
    }
    const labels = new Int32Array(20)
    const data = sw.fromArrays({ inputs, labels, classes: 3, shape: named })
    const load = async (other: Model): Promise<void> => other.loadStateDict(weights)
    const [trial] = await makeTrials({ net, data: [data], samples: 20, network: two(), load })
    const { outputs } = await net.ask(trial.call, trial.input)
    assert.is(outputs.length, 60)
    assert.is(differing(outputs, trial.expected), 0)
    await net.close()
  }
  await model.dispose()
})

test.run()
