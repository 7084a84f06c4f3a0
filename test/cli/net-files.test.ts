/** Commands that are given an exported network: those that take it, and those that say who does. */
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import type { ExportOptions } from '../../src/edge/abi.js'
import { exportWasm } from '../../src/edge/export.js'
import { compile, datasets, type Model, mlp } from '../../src/index.js'
import { loadModel } from '../../src/model/load.js'
import { messageOf, withFolder } from '../files/temporary.js'
import { stripped, tinyNet } from '../support/tiny-net.js'
import { parseLines, refuse, run, succeed, tiny } from './in-process.js'

const input = [1, 8, 8] as const
const labels = ['o', ...'123456789']
const { test: data } = await datasets.digits()
const compiled = (): Promise<Model> => compile(mlp([...input], 10), { input, batchSize: 1 })

async function exported(model: Model, path: string, options: ExportOptions): Promise<Uint8Array> {
  const bytes = (await exportWasm(model, options)) as Uint8Array
  await writeFile(path, bytes)
  return bytes
}

const firstLine = async (args: string[]): Promise<Record<string, unknown>> => {
  const { stdout } = await succeed(args)
  return parseLines(stdout)[0]
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
    withFolder(async (folder) => {
      const model = await compiled()
      const path = join(folder, 'net.wasm')
      const bytes = await exported(model, path, options)
      const [image, pixels] = [new Float32Array(64), new Uint8Array(64)]
      data.read(7, image)
      data.pixels!.read(7, pixels)
      await writeFile(join(folder, 'x.bin'), image)
      const { logits, classes } = await model.predict(image)
      const predict = ['predict', '--weights', path, '--json', join(folder, 'x.bin')]
      const answer = await firstLine(predict)
      const own = answer.logits as number[]
      assert.is(own.length, 10)
      for (const [k, value] of own.entries())
        assert.ok(Math.abs(value - logits[k]) < (options.inputType === 'u8' ? 0.2 : 1e-6), kind)
      assert.is(answer.class, classes[0])
      assert.is(answer.className, options.labels?.[classes[0]])
      const tested = await firstLine(['eval', '--weights', path, '--json', '--limit-test', '60'])
      const on = await firstLine(['eval', '--on', path, '--json', '--limit-test', '60'])
      assert.equal([tested.correct, tested.on, tested.sealed], [on.correct, path, true])
      const { model: facts } = await firstLine(['info', '--weights', path, '--json'])
      const { file, bytes: size, sealed, mode, parameters } = facts as Record<string, unknown>
      assert.equal(
        [file, size, sealed, mode, parameters],
        [path, bytes.length, true, options.mode ?? 'infer', model.parameterCount],
      )
      await model.dispose()
    }))

test('a still picture of bytes: as the file scales it, or by --mean and --std', () =>
  withFolder(async (folder) => {
    const model = await compiled()
    const [floats, bytes] = ['floats.wasm', 'bytes.wasm'].map((name) => join(folder, name))
    await exported(model, floats, {})
    await exported(model, bytes, { inputType: 'u8', ...scaling })
    const pixels = Uint8Array.from({ length: 64 }, (_, i) => (i * 37) % 256)
    const picture = join(folder, 'x.bin')
    await writeFile(picture, pixels)
    const scale = ['--mean', '0.3051', '--std', '0.3762']
    const a = await firstLine(['predict', '--weights', floats, '--json', ...scale, picture])
    const b = await firstLine(['predict', '--weights', bytes, '--json', picture])
    const [one, other] = [a.logits as number[], b.logits as number[]]
    for (const [k, value] of one.entries()) assert.ok(Math.abs(value - other[k]) < 1e-5)
    const twice = await run(['predict', '--weights', bytes, ...scale, picture])
    assert.match(twice.stderr, /--mean must be left out with an exported network, got 0\.3051/)
    const none = await run(['predict', '--weights', floats, picture])
    assert.match(none.stderr, /holds bytes, and --mean and --std must say how/)
    await model.dispose()
  }))

test('one flipped bit: each command refuses the file; a stripped one says so', () =>
  withFolder(async (folder) => {
    const model = await compiled()
    const [whole, bad, bare] = ['net', 'bad', 'bare'].map((name) => join(folder, `${name}.wasm`))
    const bytes = await exported(model, whole, {})
    await model.save(join(folder, 'net.safetensors'))
    await model.dispose()
    await writeFile(join(folder, 'x.bin'), new Float32Array(64))
    const changed = bytes.slice()
    changed[bytes.length >> 1] ^= 16
    await writeFile(bad, changed)
    await writeFile(bare, stripped(bytes))
    const commands = (path: string): string[][] => [
      ['eval', '--on', path, '--limit-test', '20'],
      ['info', '--weights', path],
      ['predict', '--weights', path, join(folder, 'x.bin')],
      [
        ...['verify', path, '--weights', join(folder, 'net.safetensors')],
        ...['--hosts', 'node', '--samples', '3', '--seconds', '1'],
      ],
    ]
    for (const args of commands(bad)) {
      const { code, stdout, stderr } = await run(args)
      assert.equal([code, stdout], [1, ''], args[0])
      assert.match(stderr, /^spikewasm: .*bad\.wasm: an exported network must have the seal .*\n$/)
    }
    for (const args of commands(bare)) {
      const { code, stdout, stderr } = await run(args)
      assert.is(code, 0, args[0] + stderr)
      if (args[0] !== 'predict') assert.match(stdout, /sealed.* no: its section was stripped/)
    }
  }))

test('a hostile file: class 99 of 10 is an error of eval, predict and verify', () =>
  withFolder(async (folder) => {
    const path = join(folder, 'odd.wasm')
    const info = { input, classes: 10, inputType: 'f32' } as const
    await writeFile(path, tinyNet({ info, flaws: { answers: { predicted_class: 99 } } }))
    await writeFile(join(folder, 'x.bin'), new Float32Array(64))
    await run(['train', ...tiny, '--out', join(folder, 'run')])
    for (const args of [
      ['eval', '--on', path],
      ['predict', '--weights', path, join(folder, 'x.bin')],
      ['verify', path, '--run', join(folder, 'run'), '--hosts', 'node'],
    ]) {
      await refuse(args, /must answer predicted_class\(\) with 0 to 9, got 99/)
    }
  }))

test('what takes no exported network says what does', () =>
  withFolder(async (folder) => {
    const path = join(folder, 'net.wasm')
    await writeFile(path, tinyNet())
    const message =
      /net\.wasm: must be a file of weights, got a WebAssembly module; .*openNet.*eval/
    for (const args of [
      ['export', '--weights', path, '--out', join(folder, 'x.wasm')],
      ['verify', path, '--weights', path],
      ['diagnose', '--weights', path],
      ['train', '--load', path, '--limit-train', '64', '--epochs', '1'],
    ]) {
      await refuse(args, message)
    }
    assert.match(await messageOf(() => loadModel(path)), message)
    const model = await compiled()
    assert.match(await messageOf(() => model.load(path)), message)
    await model.dispose()
    for (const option of ['--model mlp', '--time-steps 3', '--program single']) {
      await refuse(
        ['info', '--weights', path, ...option.split(' ')],
        / must be left out with an exported network, got /,
      )
    }
    const refused = await run(['predict', '--weights', path, '--tau', '2', path])
    assert.match(refused.stderr, /--tau must be left out with an exported network, got 2/)
  }))

test.run()
