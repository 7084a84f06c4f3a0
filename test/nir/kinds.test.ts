/** Every kind of node that is read, and every kind of layer that is written or refused. */

import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { type Group, numbers, type TextsLeaf, type Tree } from '../../src/files/nir/graph.js'
import { readHdf5, writeHdf5 } from '../../src/files/nir/hdf5.js'
import * as api from '../../src/index.js'
import { stateless } from '../../src/model/nir/layers.js'
import { neurons } from '../../src/model/nir/neurons.js'
import { labelOf, layerKinds } from '../../src/network/kind.js'
import { matmul, mul } from '../../src/nn/layers/attention.js'
import { parameter } from '../../src/nn/layers/parameter.js'
import { folderFor } from '../files/temporary.js'
import { integer, Draw as LayerDraw, one, type Random } from '../support/draw/layers.js'
import { put } from '../support/draw/networks.js'
import { Sketch } from '../support/draw/sketch.js'
import { testRandom } from '../support/engine.js'
import { expectClose } from '../support/measure.js'
import { keysOf } from '../support/tables.js'
import { saveNir } from './package-rules.js'
import { expectSimulated, inputs } from './simulate.js'
import { alone, type Fields, fileOf, node, nodesOf, sizeOf, whole } from './trees.js'

const dt = 2 ** -10
const [STEPS, SAMPLES] = [6, 2]

/** What a node is drawn from. */
interface Draw {
  readonly random: Random
  /** Numbers of this shape between two others. */
  readonly floats: (shape: readonly number[], least: number, most: number) => Tree
}
/** A node, and the sizes of what it takes and gives. */
interface Drawn {
  readonly fields: Fields
  readonly input: readonly number[]
  readonly output: readonly number[]
}

const image = [2, 3, 4]
const picture = [2, 4, 8] as const
/** Neurons with a number of each field for each. */
const ofNeurons =
  (...ranges: (readonly [field: string, least: number, most: number])[]) =>
  ({ floats }: Draw): Drawn => ({
    fields: Object.fromEntries(
      ranges.map(([field, least, most]) => [field, floats(image, least, most)]),
    ),
    input: image,
    output: image,
  })
const ofMembrane = [
  ['r', 1, 3],
  ['v_leak', 0.1, 0.3],
] as const
const ofSpikes = [
  ['v_threshold', 0.4, 1.5],
  ['v_reset', -0.3, 0.2],
] as const
const ofCurrent = [
  ['tau_mem', 1.5 * dt, 4 * dt],
  ['tau_syn', 1.5 * dt, 4 * dt],
  ['w_in', 0.5, 2],
] as const
const ofTau = ['tau', 1.5 * dt, 4 * dt] as const

function pooling({ random }: Draw): Drawn {
  const [kh, kw, sy, sx] = [3, 2, integer(random, 1, 2), integer(random, 1, 3)]
  const [py, px] = [1, integer(random, 0, 1)]
  return {
    fields: { kernel_size: whole(kh, kw), stride: whole(sy, sx), padding: whole(py, px) },
    input: [2, 5, 7],
    output: [2, Math.floor((5 + 2 * py - kh) / sy) + 1, Math.floor((7 + 2 * px - kw) / sx) + 1],
  }
}

function convolved({ random, floats }: Draw, sizes: readonly number[]): Drawn {
  const each = (least: number, most: number): number[] =>
    sizes.map(() => integer(random, least, most))
  const groups = one(random, [1, 2])
  const [kernel, stride, padding] = [each(1, 3), each(1, 2), each(0, 1)]
  const dilation = each(1, 2)
  const list = (values: readonly number[]): Tree =>
    sizes.length === 1 ? alone(values[0]) : whole(...values)
  return {
    fields: {
      input_shape: list(sizes),
      weight: floats([6, 4 / groups, ...kernel], -1, 1),
      stride: list(stride),
      padding: list(padding),
      dilation: list(dilation),
      groups: alone(groups),
      bias: floats([6], -1, 1),
    },
    input: [4, ...sizes],
    output: [
      6,
      ...sizes.map((n, i) => {
        const span = dilation[i] * (kernel[i] - 1) + 1
        return Math.floor((n + 2 * padding[i] - span) / stride[i]) + 1
      }),
    ],
  }
}

type NirKind = keyof typeof stateless | keyof typeof neurons

/** How each kind of node that the package reads is drawn. */
const nodes: Readonly<Record<NirKind, (draw: Draw) => Drawn>> = {
  Affine: ({ floats }) => ({
    fields: { weight: floats([5, 3], -1, 1), bias: floats([5], -1, 1) },
    input: [3],
    output: [5],
  }),
  Linear: ({ floats }) => ({ fields: { weight: floats([5, 3], -1, 1) }, input: [3], output: [5] }),
  Scale: ofNeurons(['scale', -1, 2]),
  Conv1d: (draw) => convolved(draw, [9]),
  Conv2d: (draw) => convolved(draw, [6, 7]),
  SumPool2d: pooling,
  AvgPool2d: pooling,
  Flatten: () => ({
    fields: { start_dim: alone(0), end_dim: alone(-1), input_type: whole(...image) },
    input: image,
    output: [24],
  }),
  Delay: ({ random }) => {
    const steps = image
      .slice(0, 1)
      .flatMap((c) => Array.from({ length: c }, () => integer(random, 1, 3)))
    const each = steps.flatMap((n) => Array(12).fill(n * dt))
    return {
      fields: { delay: numbers(Float64Array.from(each), image) },
      input: image,
      output: image,
    }
  },
  LIF: ofNeurons(ofTau, ...ofMembrane, ...ofSpikes),
  IF: ofNeurons(['r', 0.3, 1], ...ofSpikes),
  CubaLIF: ofNeurons(...ofCurrent, ...ofMembrane, ...ofSpikes),
  LI: ofNeurons(ofTau, ...ofMembrane),
  CubaLI: ofNeurons(...ofCurrent, ...ofMembrane),
  I: ofNeurons(['r', 0.3, 1]),
  Threshold: ofNeurons(['threshold', 0.3, 1.8]),
}

function bytesOf(type: NirKind, { fields, input, output }: Drawn): Promise<Uint8Array> {
  const size = sizeOf(output)
  // Models end in a linear layer: one that hands on.
  const ones = Float32Array.from({ length: size * size }, (_, i) => (i % (size + 1) === 0 ? 1 : 0))
  const flatten = node('Flatten', { start_dim: alone(0), end_dim: alone(-1) })
  const nodes: [string, Tree][] = [
    ['input', node('Input', { shape: whole(...input) })],
    ['it', node(type, fields)],
    ...(output.length === 1 ? [] : [['flat', flatten] as [string, Tree]]),
    ['end', node('Linear', { weight: numbers(ones, [size, size]) })],
    ['output', node('Output', { shape: whole(size) })],
  ]
  return writeHdf5(fileOf(nodes), 'it', 0)
}

const predict = async (model: api.Model, x: Float32Array): Promise<Float32Array> =>
  (await model.predict(x)).logits

const folder = folderFor(test)

for (const type of [...keysOf(stateless), ...keysOf(neurons)])
  test(`${type} is read as it is defined, and written so that it is read the same`, async () => {
    for (const [n, reset] of (['subtract', 'zero', 'stored'] as const).entries()) {
      const random = testRandom(100 * type.length + n)
      const floats: Draw['floats'] = (shape, least, most) =>
        numbers(
          Float64Array.from({ length: sizeOf(shape) }, () =>
            Math.fround(least + (most - least) * random()),
          ),
          shape,
        )
      const drawn = nodes[type]({ random, floats })
      const bytes = await bytesOf(type, drawn)
      const how = { dt, reset, fires: one(random, ['at', 'above'] as const) }
      const shape = { timeSteps: STEPS, batchSize: SAMPLES }
      const model = await api.loadNir(bytes, { ...how, ...shape })
      const x = inputs(random, SAMPLES * STEPS * sizeOf(drawn.input))
      const logits = await predict(model, x)
      await expectSimulated({ logits, x, samples: SAMPLES, steps: STEPS }, bytes, 'it', how)
      const path = join(folder, `${type}.nir`)
      await saveNir(model, path, { dt })
      const written = nodesOf(await readHdf5(await readFile(path), path)).get('it') as Group
      // Neurons that forget all of a step are what a threshold is.
      const as = type === 'Threshold' ? 'LIF' : type
      assert.equal((written.members.get('type') as TextsLeaf).data, [as])
      const again = await api.loadNir(path, { batchSize: SAMPLES })
      assert.equal(await predict(again, x), logits)
      for (const made of [model, again]) await made.dispose()
    }
  })

/** Kinds of layers that NIR does not have; all others are written. */
const refused: Partial<Record<api.Layer['kind'] | 'add' | 'concat', true>> = {
  maxPool2d: true,
  maxPool1d: true,
  avgPool1d: true,
  sumPool1d: true,
  adaptiveAvgPool1d: true,
  relu: true,
  groupNorm: true,
  layerNorm: true,
  equations: true,
  stabilizedLif: true,
  timeMean: true,
  dcls1d: true,
  concat: true,
  convTranspose1d: true,
  convTranspose2d: true,
  upsample: true,
  mul: true,
  matmul: true,
  softmax: true,
  slice: true,
  permute: true,
  reshape: true,
  expand: true,
  parameter: true,
}
/** A method that has the kind. */
const modeOf = (kind: string): [api.Method, api.StepMode] =>
  kind === 'stabilizedLif' ? ['os', 's'] : ['bptt', 'm']
/** What of a kind that is written may be refused. */
const allowed =
  /weights are standardised|refractory time|adaptive threshold|windows differ|joins all neurons|some leak|are learnt/

for (const kind of [...layerKinds, 'add', 'concat'] as const)
  test(`${kind} is ${refused[kind] ? 'refused' : 'written'}`, async () => {
    let [written, named] = [0, 0]
    for (const seed of [0, 1, 2]) {
      const random = testRandom(seed)
      const draw = new LayerDraw(random)
      const sketch = new Sketch(picture, ...modeOf(kind), STEPS)
      sketch.put(api.lif())
      if (kind === 'linear' || kind === 'cell') sketch.put(api.flatten())
      if (kind.endsWith('1d') || kind === 'matmul') sketch.put(api.adaptiveAvgPool2d([1, 8]))
      if (['linear', 'cell', 'dcls1d'].includes(kind)) sketch.put(api.flatten())
      else if (kind.endsWith('1d')) sketch.put(api.adaptiveAvgPool2d([1, 8]))
      if (kind === 'batchNorm1d') put(draw, sketch, ['conv1d'])
      if (kind === 'batchNorm2d') put(draw, sketch, ['conv2d'])
      if (kind === 'add' || kind === 'concat') sketch.join(kind, [1, sketch.put(api.lif())])
      else if (kind === 'mul') sketch.put(mul(), 1, sketch.put(api.lif()))
      else if (kind === 'parameter') {
        sketch.put(mul(), 1, sketch.put(parameter('parameter', { shape: picture, start: 1 })))
      } else if (kind === 'matmul') {
        sketch.put(matmul({ transposeB: true }), sketch.last, sketch.last)
      } else put(draw, sketch, [kind])
      // Some cells are a neuron.
      if (!sketch.nodes.some((node) => node.kind === kind)) continue
      if (!sketch.signals[sketch.last].flat) sketch.put(api.flatten())
      const network = sketch.network([
        sketch.put(api.linear(sizeOf(sketch.signals[sketch.last].shape), 3)),
      ])
      const how = { input: picture, timeSteps: STEPS, batchSize: SAMPLES, frames: true } as const
      const model = await network.compile({ ...how, purpose: 'inference', seed })
      const path = join(folder, 'layer.nir')
      const error: Error | undefined = await saveNir(model, path).catch((e) => e)
      if (error && !allowed.test(error.message)) {
        const { layer } = sketch.nodes.find((node) => node.kind === kind) ?? {}
        const called = labelOf({ kind, layer })
        assert.ok(error.message.includes(`(${called}) cannot be written`), error.message)
        named++
      } else if (!error) {
        const again = await api.loadNir(path, { batchSize: SAMPLES })
        const x = inputs(random, SAMPLES * STEPS * sizeOf(picture))
        expectClose(kind, await predict(again, x), await predict(model, x), 1e-5)
        await again.dispose()
        written++
      }
      await model.dispose()
    }
    assert.is(written > 0, !refused[kind])
    assert.is(named > 0, refused[kind] ?? false)
  })

test.run()
