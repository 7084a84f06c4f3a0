/** The folder of a run that a program has written: what commands and other programs make of it. */
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { oldPlace, parseRunOptions } from '../../src/cli/run-folder.js'
import { givenModel } from '../../src/cli/which-model.js'
import {
  checkpoint,
  fromArrays,
  lif,
  linear,
  loadModel,
  type Model,
  sequential,
} from '../../src/index.js'
import { graphToJson } from '../../src/network/json.js'
import { trace } from '../../src/network/trace.js'
import { messageOf, withFolder } from '../files/temporary.js'
import { expectSameBits } from '../support/measure.js'
import { run } from './in-process.js'

const data = fromArrays({
  inputs: Float32Array.from({ length: 32 }, (_, i) => Math.sin(i)),
  labels: [0, 1, 0, 1, 0, 1, 0, 1],
  shape: [4],
  classes: 2,
  classNames: ['no', 'yes'],
  name: 'tiny',
})
const compileTiny = (): Promise<Model> =>
  sequential(linear(4, 3), lif(), linear(3, 2)).compile({ input: [4], batchSize: 4, timeSteps: 3 })

/** A folder with a run of one epoch, and its model. */
const withRun = (body: (dir: string, model: Model) => Promise<void>): Promise<void> =>
  withFolder(async (parent) => {
    const dir = join(parent, 'own')
    const model = await compileTiny()
    await model.fit(data, { callbacks: [checkpoint({ dir })] })
    await body(dir, model).finally(() => model.dispose())
  })

test('commands take its weights, network and data as from a file; resume says who goes on', () =>
  withRun(async (dir, model) => {
    for (const best of [false, true]) {
      const given = await givenModel({ run: dir, best })
      assert.equal([given.name, given.run, given.options.timeSteps], ['own', undefined, 3])
      assert.equal(given.data?.classNames, ['no', 'yes'])
      const input = given.options.input!
      const network = await given.network({ input, classes: 2, timeSteps: 3 })
      assert.equal(graphToJson(trace(network, input)), model.toJSON().network)
    }
    assert.match(
      await messageOf(() => oldPlace(dir)),
      /^--resume: .*own was written by a program, .* fit\(data, \{ resume: ".*own", … \}\)$/,
    )
  }))

test('eval: data of another shape than the model takes', () =>
  withRun(async (dir) => {
    const { code, stderr } = await run(['eval', '--run', dir])
    assert.is(code, 1)
    assert.match(stderr, /^spikewasm: .*own: the model takes samples of \[4, 1, 1\], got digits/)
    assert.match(stderr, /; give --dataset [^\n]+\n$/)
  }))

test('loadModel and loadCheckpoint take the folder', () =>
  withRun(async (dir, model) => {
    const loaded = await loadModel(dir)
    expectSameBits('weights', loaded.stateDict(), model.stateDict())
    await loaded.dispose()
    const other = await compileTiny()
    await other.loadCheckpoint(dir)
    await Promise.all([model, other].map((one) => one.fit(data)))
    expectSameBits('a step later', other.stateDict(), model.stateDict())
    await other.dispose()
    await writeFile(join(dir, 'weights.safetensors'), 'x')
    assert.match(
      await messageOf(() => loadModel(dir)),
      /weights\.safetensors: must be the file that/,
    )
    await writeFile(join(dir, 'checkpoint.safetensors'), 'x')
    assert.match(
      await messageOf(async () => (await compileTiny()).loadCheckpoint(dir)),
      /checkpoint\.safetensors: must be the file that/,
    )
  }))

test('options that are none of a run: the field, what it holds and what it should', async () => {
  const messageFor = (options: object): Promise<string> =>
    messageOf(async () => parseRunOptions(new TextEncoder().encode(JSON.stringify(options)), 'o'))
  assert.match(
    await messageFor({ version: 1 }),
    /^o: must hold the options of a run, got version: 1 instead of string; /,
  )
  assert.match(await messageFor({ version: '0.1.0' }), /got none of the name model;/)
  assert.match(await messageFor({ network: {} }), /got those of a program/)
})

test.run()
