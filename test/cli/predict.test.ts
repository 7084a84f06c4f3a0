/** Commands on a model from a file: a network of one's own, and a run. */
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import {
  conv2d,
  datasets,
  encoders,
  flatten,
  lif,
  linear,
  loadModel,
  sequential,
} from '../../src/index.js'
import { withFolder } from '../files/temporary.js'
import { run as runProcess } from './command.js'
import { parseLines, run, tiny } from './in-process.js'

test('a network of one’s own: eval, info, export, verify and predict take it from the file', () =>
  withFolder(async (folder) => {
    const own = sequential({ a: conv2d(1, 4, 3), n: lif(), f: flatten(), o: linear(144, 10) })
    const model = await own.compile({ input: [1, 8, 8], timeSteps: 3, stepMode: 's' })
    const path = join(folder, 'own.safetensors')
    await model.save(path)
    const { test: data } = await datasets.digits()
    const { accuracy } = await model.evaluate(data)
    const evaluated = parseLines((await run(['eval', '--weights', path, '--json'])).stdout)[0]
    assert.equal([evaluated.testAccuracy, evaluated.timeSteps], [accuracy, 3])
    const [facts] = parseLines((await run(['info', '--weights', path, '--json'])).stdout)
    const { name, parameters, stepMode } = facts.model as Record<string, unknown>
    assert.equal([name, parameters, stepMode], ['own', model.parameterCount, 's'])
    const net = join(folder, 'own.wasm')
    assert.is((await run(['export', '--weights', path, '--out', net])).code, 0)
    const few = ['--samples', '5', '--hosts', 'node']
    assert.is((await run(['verify', net, '--weights', path, ...few])).code, 0)
    const x = new Float32Array(64)
    data.read(0, x)
    await writeFile(join(folder, 'x.bin'), x)
    const { classes, logits } = await model.predict(x)
    const args = ['predict', '--weights', path, '--json', '--top-k', '2']
    const { code, stdout } = await runProcess([
      ...args,
      join(folder, 'x.bin'),
      join(folder, 'none.npy'),
    ])
    const [answer, problem] = parseLines(stdout)
    assert.equal([code, answer.class, answer.logits], [1, classes[0], [...logits]])
    assert.is((answer.top as unknown[]).length, 2)
    assert.match(String(problem.error), /there is no such file/)
    await model.dispose()
  }))

test('a run: bytes are normalised as in training; --best takes the best weights', () =>
  withFolder(async (folder) => {
    const out = join(folder, 'run')
    await run(['train', ...tiny, '--out', out])
    const { test: data } = await datasets.digits()
    const bytes = new Uint8Array(64)
    const x = new Float32Array(64)
    data.read(3, x)
    data.pixels!.read(3, bytes)
    await writeFile(join(folder, 'x.bin'), x)
    await writeFile(join(folder, 'bytes.bin'), bytes)
    const files = [join(folder, 'x.bin'), join(folder, 'bytes.bin')]
    const { stdout } = await run(['predict', '--run', out, '--best', '--json', ...files])
    const [a, b] = parseLines(stdout)
    assert.equal(a.logits, b.logits)
  }))

test('a run with an encoder: still files are encoded as its data were', () =>
  withFolder(async (folder) => {
    const out = join(folder, 'run')
    const how = ['--model', 'mlp', '--encoder', 'rate', '--time-steps', '3']
    await run(['train', ...tiny, ...how, '--out', out])
    const { test: data } = await datasets.digits()
    const bytes = new Uint8Array(64)
    data.pixels!.read(0, bytes)
    const shares = Float32Array.from(bytes, (byte) => byte / 16)
    const [raw, shown] = ['bytes.bin', 'x.bin'].map((name) => join(folder, name))
    await writeFile(raw, bytes)
    await writeFile(shown, shares)
    const frames = new Float32Array(3 * 64)
    encoders.rate(data, { timeSteps: 3 }).read(0, frames)
    const model = await loadModel(join(out, 'weights.safetensors'), { batchSize: 1 })
    const wanted = [...(await model.predict(frames)).logits]
    await model.dispose()

    const { stdout } = await run(['predict', '--run', out, '--json', raw, shown])
    const [a, b] = parseLines(stdout)
    assert.equal(a.logits, wanted)
    assert.equal(b.logits, wanted)
    const other = await run(['predict', '--run', out, '--json', '--encoder', 'latency', raw])
    assert.not.equal(parseLines(other.stdout)[0].logits, wanted)
    const refused = ['predict', '--run', out, '--mean', '0.5', '--std', '0.5', raw]
    assert.match((await run(refused)).stderr, /--mean and --std must be left out with the encoder/)
    const own = ['predict', '--pretrained', 'fashion-mnist-cnn', '--encoder', 'rate', raw]
    assert.match((await run(own)).stderr, /--encoder must be left out, since the model takes one/)
  }))

test.run()
