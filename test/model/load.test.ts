/** One file holds a model. */
import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { givenModel, givenNetwork } from '../../src/cli/which-model.js'
import { serializeState } from '../../src/files/state.js'
import * as api from '../../src/index.js'
import { expectRefusal, messageOf, withFolder } from '../files/temporary.js'
import { expectSameBits, uniform } from '../support/measure.js'

const input = [2, 6, 6] as const
const tiny = { inputs: new Float32Array(72), labels: [0], classes: 3 }
const own = () =>
  api.sequential({
    stem: api.sequential(
      api.conv2d(2, 8, 3, { padding: 1 }),
      api.batchNorm2d(8),
      api.integrateAndFire(),
    ),
    body: api.residual(api.sequential(api.conv2d(8, 8, 3, { padding: 1 }), api.lif({ vReset: 0 }))),
    pool: api.avgPool2d(2),
    head: api.sequential(api.flatten(), api.linear(72, 3)),
  })

test('a network of one’s own: saved, loaded, the same bits; files of equal models are equal', () =>
  withFolder(async (folder) => {
    const options = { input, timeSteps: 3, stepMode: 's' } as const
    const model = await own().compile(options)
    const path = join(folder, 'a.safetensors')
    await model.save(path)
    await model.save(join(folder, 'b.safetensors'))
    assert.equal(await readFile(path), await readFile(join(folder, 'b.safetensors')))
    const loaded = await api.loadModel(path)
    assert.equal([loaded.timeSteps, loaded.stepMode], [3, 's'])
    expectSameBits('state', model.stateDict(), loaded.stateDict())
    const x = uniform(5 * 72, 2, 1)
    assert.equal(await loaded.predict(x), await model.predict(x))
    const again = await api.loadModel(await readFile(path), { purpose: 'train', batchSize: 2 })
    await again.trainStep(x.slice(0, 144), [0, 1])
    await expectRefusal(() => loaded.gradients(), /purpose 'train'/)
    const text = JSON.stringify(model)
    assert.equal((await networkOf(text)).toJSON(), { ...model.toJSON() })
    await Promise.all([model, loaded, again].map((one) => one.dispose()))
  }))

const networkOf = async (text: string) =>
  api.networkFromJSON(text).compile({ input, timeSteps: 3, stepMode: 's' })

test('a file of weights alone, and other files, are refused with what to do', () =>
  withFolder(async (folder) => {
    const model = await own().compile({ input })
    const weights = serializeState(model.stateDict())
    await expectRefusal(() => api.loadModel(weights), /^the model: must hold a network beside/)
    await expectRefusal(
      () => api.loadModel(join(folder, 'none.safetensors')),
      /^the model must be a readable file/,
    )
    await expectRefusal(() => api.loadModel(3 as unknown as string), /^loadModel needs a path/)
    const whole = await model.toBytes()
    for (const [options, wanted] of [
      [{ weights: 'int4' }, /^loadModel\.weights must be one of .*, got "int4"/],
      [{ batchSise: 2 }, /^loadModel\.batchSise is not an option/],
    ] as const)
      await expectRefusal(() => api.loadModel(whole, options as object), wanted)
    await expectRefusal(
      () => api.networkFromJSON('{'),
      /^the JSON: the network must be valid JSON, got an error/,
    )
    await model.dispose()
  }))

test('what is wrong in a file or meant for another reader: the file is named, and what to do', () =>
  withFolder(async (folder) => {
    const path = join(folder, 'of-a-file')
    const model = await own().compile({ input })
    const of = (json: object): Promise<string> =>
      messageOf(async () => {
        const metadata = { 'spikewasm.model': JSON.stringify({ ...model.toJSON(), ...json }) }
        await writeFile(path, serializeState(model.stateDict(), metadata))
        await api.loadModel(path)
      })
    assert.match(await of({ timeSteps: 1e9 }), /of-a-file: timeSteps must be an integer from 1 to/)
    assert.match(await of({ input: [3, 6, 6] }), /of-a-file: .*stem/)
    const { network } = model.toJSON()
    const [first, ...rest] = network.nodes
    const nodes = [{ ...first, name: 'a.__proto__' }, ...rest]
    assert.match(
      await of({ network: { ...network, nodes } }),
      /no part __proto__, got "a.__proto__"/,
    )
    await model.saveCheckpoint(path)
    for (const read of [() => api.loadModel(path), () => model.load(path)])
      await expectRefusal(read, /of-a-file: must be a file of weights, got a checkpoint; /)
    await model.save(path)
    const loaded = await api.loadModel(path)
    await expectRefusal(
      () => loaded.fit(api.fromArrays({ ...tiny, shape: input })),
      /or load it with loadModel\(path, \{ purpose: 'train' \}\)$/,
    )
    await Promise.all([model, loaded].map((one) => one.dispose()))
  }))

test('a small file of a large network: its weights are missed before memory is taken', () =>
  withFolder(async (folder) => {
    const model = await api.sequential(api.linear(8, 3)).compile({ input: [8] })
    const { network, ...rest } = model.toJSON()
    await model.dispose()
    const [node] = network.nodes
    const layer = { ...node.layer, inFeatures: 10_000, outFeatures: 40_000 }
    const json = { ...rest, input: [10_000], network: { ...network, nodes: [{ ...node, layer }] } }
    const path = join(folder, 'large.safetensors')
    await writeFile(path, serializeState({}, { 'spikewasm.model': JSON.stringify(json) }))
    const { Memory } = WebAssembly
    const asked: string[] = []
    WebAssembly.Memory = new Proxy(Memory, {
      construct(_, [{ initial }]) {
        asked.push(`${initial} pages`)
        throw new Error('no memory is to be taken')
      },
    })
    try {
      const wanted =
        /large\.safetensors: the state dict does not match the network; missing: 0\.wei/
      await expectRefusal(() => api.loadModel(path), wanted)
      for (const given of [givenModel, givenNetwork]) {
        const { network: make } = await given({ weights: path })
        const sizes = { input: [10_000], classes: 10, timeSteps: 4 } as const
        assert.match(await messageOf(() => make(sizes)), wanted)
      }
    } finally {
      WebAssembly.Memory = Memory
    }
    assert.equal(asked, [])
  }))

test.run()
