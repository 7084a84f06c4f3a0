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
import { run as runProcess } from './command.js'
import { inFolder, parseLines, small } from './in-process.js'

const { test: data } = await datasets.digits()

test('a network of one’s own: eval, info, export, verify and predict take it from the file', () =>
  inFolder(async (folder, { lastOf, succeed }) => {
    const own = sequential({ a: conv2d(1, 4, 3), n: lif(), f: flatten(), o: linear(144, 10) })
    const model = await own.compile({ input: [1, 8, 8], timeSteps: 3, stepMode: 's' })
    await model.save(join(folder, 'own.safetensors'))
    const weights = '--weights own.safetensors'
    const { testAccuracy, timeSteps } = await lastOf(`eval ${weights}`)
    assert.equal([testAccuracy, timeSteps], [(await model.evaluate(data)).accuracy, 3])
    const { name, parameters, stepMode } = (await lastOf(`info ${weights}`))
      .model as typeof model & { readonly name: string; readonly parameters: number }
    assert.equal([name, parameters, stepMode], ['own', model.parameterCount, 's'])
    await succeed(`export ${weights} --out own.wasm`)
    await succeed(`verify own.wasm ${weights} --samples 5 --hosts node`)
    const x = new Float32Array(64)
    data.read(0, x)
    await writeFile(join(folder, 'x.bin'), x)
    const { classes, logits } = await model.predict(x)
    const line = `predict ${weights} --json --top-k 2 x.bin none.npy`
    const { code, stdout } = await runProcess(line.split(' '), { cwd: folder })
    const [answer, problem] = parseLines(stdout)
    assert.equal([code, answer.class, answer.logits], [1, classes[0], [...logits]])
    assert.is((answer.top as unknown[]).length, 2)
    assert.match(String(problem.error), /there is no such file/)
    await model.dispose()
  }))

test('a run: bytes are normalised as in training; --best takes the best weights', () =>
  inFolder(async (folder, { succeed }) => {
    await succeed(`train ${small} --out run`)
    const [bytes, x] = [new Uint8Array(64), new Float32Array(64)]
    data.read(3, x)
    data.pixels!.read(3, bytes)
    await writeFile(join(folder, 'x.bin'), x)
    await writeFile(join(folder, 'bytes.bin'), bytes)
    const [a, b] = parseLines(
      (await succeed('predict --run run --best --json x.bin bytes.bin')).stdout,
    )
    assert.equal(a.logits, b.logits)
  }))

test('a run with an encoder: still files are encoded as its data were', () =>
  inFolder(async (folder, { succeed, lastOf, refuse }) => {
    await succeed(`train ${small} --model mlp --encoder rate --time-steps 3 --out run`)
    const bytes = new Uint8Array(64)
    data.pixels!.read(0, bytes)
    await writeFile(join(folder, 'bytes.bin'), bytes)
    await writeFile(
      join(folder, 'x.bin'),
      Float32Array.from(bytes, (byte) => byte / 16),
    )
    const frames = new Float32Array(3 * 64)
    encoders.rate(data, { timeSteps: 3 }).read(0, frames)
    const model = await loadModel(join(folder, 'run/weights.safetensors'), { batchSize: 1 })
    const wanted = [...(await model.predict(frames)).logits]
    await model.dispose()
    for (const file of ['bytes.bin', 'x.bin'])
      assert.equal((await lastOf(`predict --run run ${file}`)).logits, wanted)
    const other = await lastOf('predict --run run --encoder latency bytes.bin')
    assert.not.equal(other.logits, wanted)
    await refuse(
      'predict --run run --mean 0.5 --std 0.5 bytes.bin',
      /--mean and --std must be left out with the encoder/,
    )
  }))

test.run()
