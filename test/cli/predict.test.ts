/** Commands on a model from a file: a network of one's own, and a run. */
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { conv2d, datasets, flatten, lif, linear, sequential } from '../../src/index.js'
import { withFolder } from '../io/temporary.js'
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

test.run()
