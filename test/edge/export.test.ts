/** Exported networks: the same bits as `predict`, and nothing that a host would have to give. */

import { test } from 'uvu'
import * as assert from 'uvu/assert'
import type { NetTarget } from '../../src/edge/abi.js'
import { exportWasm } from '../../src/edge/export.js'
import { netInfo } from '../../src/edge/net.js'
import {
  adaptiveAvgPool2d,
  batchNorm2d,
  block,
  compile,
  conv2d,
  flatten,
  lif,
  linear,
  residual,
  sequential,
} from '../../src/index.js'
import { models } from '../../src/model/models/registry.js'
import { resnetStages } from '../../src/model/models/resnet.js'
import { layerKinds } from '../../src/network/kind.js'
import type { Module } from '../../src/network/module.js'
import { agreement, numbers, randomModel, shake } from '../support/exported.js'
import { ofLong } from '../support/long.js'

test('random networks of every kind of layer give the bits of predict', async () => {
  const exported = new Set<string>()
  const all = (): boolean => exported.size === layerKinds.length
  // These have all kinds between them; where they have not any more, others follow.
  const first = [1, 6, 9, 33, 42, 80]
  const most = ofLong(0, 24)
  const seeds = [...first, ...Array.from({ length: 80 }, (_, i) => i + 1)]
  for (const [i, seed] of seeds.entries()) {
    if (i >= first.length + most && all()) break
    const random = numbers(seed)
    const model = await randomModel(random)
    const kinds = model.session.graph.nodes.flatMap(({ layer }) => (layer ? [layer.kind] : []))
    // Later ones are for the kinds that are still missing.
    if (i >= first.length + most && kinds.every((kind) => exported.has(kind))) continue
    const { differ, outputs } = await agreement(model, random)
    assert.is(differ, 0, `seed ${seed}: ${differ} of ${outputs} differ`)
    for (const kind of kinds) exported.add(kind)
  }
  assert.equal(
    [...exported].sort(),
    [...layerKinds].sort(),
    'a new kind: put it into randomNetwork',
  )
})

test('weightBytes counts the numbers alone, without padding', async () => {
  const sized = async (network: Module, input: readonly [number, number, number]) => {
    const model = await compile(network, { input, batchSize: 1 })
    const { weightBytes } = netInfo(await exportWasm(model))
    return [weightBytes, 4 * model.parameterCount]
  }
  const [mlp, numbersOfMlp] = await sized(models.mlp([1, 8, 8], 10, {}), [1, 8, 8])
  assert.is(mlp, numbersOfMlp)
  // A normalisation of 3 channels: scale and shift, computed from its four rows.
  const layers = [conv2d(1, 3, 3), batchNorm2d(3), lif(), flatten(), linear(108, 5)]
  const [normalised, trained] = await sized(sequential(...layers), [1, 8, 8])
  assert.is(normalised, trained)
  // Bytes have a scale of four bytes for each output channel.
  const model = await compile(sequential(...layers), { input: [1, 8, 8], batchSize: 1 })
  const { weightBytes } = netInfo(await exportWasm(model, { weights: 'int8' }))
  assert.is(weightBytes, 27 + 540 + 4 * (3 + 5) + 4 * (3 + 3 + 3 + 5))
})

test('sums that have the input as a term', async () => {
  const sums: Readonly<Record<string, Module>> = {
    'residual around the input': residual(conv2d(3, 3, 3, { padding: 1 })),
    'the input before a neuron': block({ a: conv2d(3, 3, 1), n: lif() }, (m, x, { add }) =>
      m.n(add(m.a(x), x)),
    ),
    'three terms': block({ a: conv2d(3, 3, 1), b: batchNorm2d(3) }, (m, x, { add }) =>
      add(add(m.a(x), x), m.b(x)),
    ),
  }
  for (const [i, [name, sum]] of Object.entries(sums).entries())
    for (const [j, [mode, stepMode]] of (
      [
        ['infer', 'm'],
        ['infer', 's'],
        ['step', 's'],
      ] as const
    ).entries()) {
      const random = numbers(7)
      const network = sequential(sum, conv2d(3, 8, 3), lif(), flatten(), linear(8 * 36, 5))
      const model = await compile(network, { input: [3, 8, 8], batchSize: 2, stepMode })
      await shake(model, random)
      // Each sum and each mode has both.
      const own = (i + j) % 2 === 0 ? (['simd'] as const) : (['scalar'] as const)
      for (const target of ofLong<readonly NetTarget[]>(own, ['simd', 'scalar'])) {
        const { differ } = await agreement(model, random, { mode, target })
        assert.is(differ, 0, `${name}, ${mode}, ${target}`)
      }
    }
})

/** Bytes of a file over the numbers of its network. */
async function above(
  name: keyof typeof inputs,
  options: Parameters<typeof exportWasm>[1],
): Promise<number> {
  const input = inputs[name]
  const network = name === 'narrow resnet18' ? narrow() : models[name](input, 10, {})
  const model = await compile(network, { input, batchSize: 1 })
  await shake(model, numbers(3))
  const bytes = (await exportWasm(model, options)) as Uint8Array
  assert.equal(WebAssembly.Module.imports(new WebAssembly.Module(bytes as BufferSource)), [])
  const { memoryBytes, usedBytes } = netInfo(bytes)
  assert.ok(usedBytes <= memoryBytes && memoryBytes - usedBytes < 65536)
  if (name === 'cnn' && options?.target !== 'scalar') assert.ok(memoryBytes <= 7 * 65536)
  return bytes.length - 4 * model.parameterCount
}

const inputs = {
  mlp: [1, 8, 8],
  cnn: [1, 28, 28],
  vgg11: [3, 32, 32],
  resnet18: [3, 32, 32],
  'narrow resnet18': [3, 32, 32],
  sewResnet34: [3, 64, 64],
} as const

/** The layers of resnet18 with a sixteenth of the weights. */
const narrow = (): Module =>
  sequential({
    ...resnetStages(3, [16, 32, 64, 128], [2, 2, 2, 2]),
    avg_pool: adaptiveAvgPool2d(1),
    flatten: flatten(),
    classifier: linear(128, 10),
  })

test('files are small: bytes over the weights, and memory', async () => {
  assert.ok((await above('mlp', {})) <= 8 * 1024)
  assert.ok((await above('cnn', {})) <= 14 * 1024)
  for (const target of ['mlp', 'cnn'] as const)
    assert.ok((await above(target, { target: 'scalar' })) <= 24 * 1024)
  // The ones with more weights take seconds.
  type Name = keyof typeof inputs
  for (const name of ofLong<Name[]>(['narrow resnet18'], ['vgg11', 'resnet18', 'sewResnet34']))
    assert.ok((await above(name, {})) <= 40 * 1024, name)
})

test('T calls of step give the bits of predict in step mode s', async () => {
  for (let seed = 101; seed <= ofLong(104, 112); seed++) {
    const random = numbers(seed)
    const model = await randomModel(random, 's')
    const { differ, outputs } = await agreement(model, random, { mode: 'step' })
    assert.is(differ, 0, `seed ${seed}: ${differ} of ${outputs} differ`)
  }
})

test.run()
