/** The benchmark of exported networks: that it runs, and that it measures what it says. */
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import * as assert from 'uvu/assert'
import { runBench } from '../../bench/command.js'
import { type Chain, type ChainLayer, chainOf, type Numbers } from '../../bench/edge/chain.js'
import { imagesOf } from '../../bench/edge/networks.js'
import { ownBytes } from '../../bench/edge.js'
import { exportWasm } from '../../src/edge/export.js'
import { netInfo } from '../../src/edge/net.js'
import {
  adaptiveAvgPool2d,
  avgPool2d,
  batchNorm2d,
  block,
  conv2d,
  cosine,
  datasets,
  flatten,
  identity,
  lif,
  linear,
  type Model,
  type Module,
  relu,
  sequential,
  sgd,
} from '../../src/index.js'
import { models } from '../../src/model/models/registry.js'
import type { InputShape } from '../../src/network/value.js'
import { succeed } from '../cli/in-process.js'
import { withFolder } from '../files/temporary.js'
import { labels, uniform } from '../support/measure.js'
import { modelOf, test } from '../support/models.js'

test('--quick --only edge writes tables and entries of finite numbers', () =>
  withFolder(async (folder) => {
    const json = join(folder, 'out.json')
    // V8's flags stay as they are.
    const args = ['--quick', '--only', 'edge', '--json', json, '--no-revectorize']
    const { stdout } = await succeed(args, { program: runBench })
    assert.match(stdout, /^Exported networks, T 4, one image, one thread$/m)
    assert.not.match(stdout, /NaN|Infinity|left out/)
    const entries = JSON.parse(await readFile(json, 'utf8')) as Record<string, unknown>[]
    for (const { name, unit, value, extra } of entries) {
      assert.ok(['bytes', 'ratio', 'ms'].includes(unit as string), `${name}: ${unit}`)
      assert.ok(Number.isFinite(value) && (value as number) > 0, `${name}: ${value}`)
      if (/ time$| \/ /.test(`${name}`))
        // Layers from the quietest to the busiest: as those of trained networks.
        assert.match(extra as string, /^rate 0\.[0-3]\d \(0\.(0[5-9]|[1-3]\d)–0\.[0-3]\d\)/)
    }
    const expected = ['mlp', 'cnn'].flatMap((network) =>
      [
        ['simd f32', 'predict'],
        ['scalar f32', 'simd f32'],
        ['simd int8', 'simd f32'],
      ].flatMap(([file, beside]) =>
        [' | above its numbers', ' | time', ` / ${beside}`, ' | first image'].map(
          (what) => `edge | ${network} | ${file}${what}`,
        ),
      ),
    )
    assert.equal(
      entries.map(({ name }) => name).sort(),
      [...expected, 'edge | cnn | train, batch 16 | above its numbers'].sort(),
      'an action compares by names',
    )
  }))

/** A chain as a network without normalisations, with the chain's numbers. */
async function modelOfChain({ input, timeSteps, layers }: Chain, all: Float32Array) {
  const tensorOf = ({ at, shape }: Numbers) => ({
    shape,
    data: all.slice(at, at + shape.reduce((a, b) => a * b, 1)),
  })
  const state: Record<string, ReturnType<typeof tensorOf>> = {}
  const moduleOf = (layer: ChainLayer, name: string): Module => {
    if (layer.op === 'flatten') return flatten()
    if (layer.op === 'add') return identity()
    if (layer.op === 'avgPool') return avgPool2d(layer.kernel, { stride: layer.stride })
    // u = keep · v + I is a leak of 1 / tau.
    if (layer.op === 'neuron')
      return lif({ tau: 1 / (1 - layer.keep), vThreshold: layer.threshold })
    for (const role of ['weight', 'bias'] as const) state[`${name}.${role}`] = tensorOf(layer[role])
    const [outputs, inputs, ...kernel] = layer.weight.shape
    if (layer.op === 'linear') return linear(inputs, outputs)
    const { stride, padding } = layer
    return conv2d(inputs, outputs, kernel as [number, number], { stride, padding })
  }
  const modules = layers.map((layer, i) => [`l${i}`, moduleOf(layer, `l${i}`)] as const)
  const net = block(Object.fromEntries(modules), (m, x, { add }) => {
    const values: (typeof x)[] = []
    for (const [i, layer] of layers.entries()) {
      const inputs = layer.inputs.map((at) => (at < 0 ? x : values[at]))
      values.push(layer.op === 'add' ? add(...inputs) : m[`l${i}`](inputs[0]))
    }
    return values[values.length - 1]
  })
  const options = { input: input as unknown as InputShape, timeSteps, batchSize: 1 }
  const model = await modelOf(net, options)
  model.loadStateDict(state)
  return model
}

/** Fails unless the chain of a trained network has its outputs, but for spikes that are rounded. */
async function expectChain(model: Model, images: readonly Float32Array[]): Promise<Chain> {
  const { chain, numbers } = chainOf(model)
  const other = await modelOfChain(chain, numbers)
  const far: string[] = []
  for (const [i, image] of images.entries()) {
    const [{ logits }, own] = [await model.predict(image), await other.predict(image)]
    const rates = Object.values(model.firingRates())
    assert.ok(
      rates.every((rate) => rate > 0 && rate < 0.9),
      `rates: ${rates}`,
    )
    const most = Math.max(...own.logits.map((value, k) => Math.abs(value - logits[k])))
    // Rounding may flip a spike near the threshold, which moves an output by a weight / T.
    if (!(most < 1e-5)) far.push(`${i}: ${most}`)
    assert.ok(most < 0.1, `${i}: ${most}`)
  }
  assert.ok(far.length <= 2, far.join(', '))
  return chain
}

test('the chain for other programs computes what predict does, without normalisations', async () => {
  const { train, test: data } = await datasets.digits()
  for (const name of ['mlp', 'cnn'] as const) {
    const input = [1, 8, 8] as const
    const model = await modelOf(models[name](input, 10), { input, timeSteps: 4, seed: 0 })
    await model.fit(train, { epochs: 1, optimizer: sgd({ lr: 0.2 }), schedule: cosine() })
    await expectChain(model, imagesOf(data).slice(0, 6))
  }
})

test('branches: blocks with a shortcut, one that is a convolution and one that is none', async () => {
  const half = (from: number, to: number, stride: number) =>
    block(
      {
        conv: conv2d(from, to, 3, { stride, padding: 1, bias: false }),
        norm: batchNorm2d(to),
        shortcut:
          from === to ? identity() : sequential(conv2d(from, to, 1, { stride }), batchNorm2d(to)),
        fire: lif({ vThreshold: 0.7 }),
      },
      (m, x, { add }) => m.fire(add(m.norm(m.conv(x)), m.shortcut(x))),
    )
  const blocks = [half(2, 5, 1), half(5, 5, 1), half(5, 8, 2)]
  const net = sequential(...blocks, adaptiveAvgPool2d(1), flatten(), linear(8, 4))
  const model = await modelOf(net, { input: [2, 6, 6], batchSize: 8, timeSteps: 3 })
  for (let i = 0; i < 6; i++)
    await model.trainStep(uniform(8 * 72, 2, i), labels(8, 4, i), { lr: 0.05 })
  const images = Array.from({ length: 6 }, (_, i) => uniform(72, 2, 50 + i))
  const { layers } = await expectChain(model, images)
  assert.is(layers.filter(({ op }) => op === 'add').length, 3)
})

test('what others cannot hold is named', async () => {
  const net = sequential(conv2d(1, 4, 3), relu(), flatten(), linear(144, 3))
  const model = await modelOf(net, { input: [1, 8, 8], batchSize: 1 })
  assert.throws(() => chainOf(model), /^1: no other program can hold this relu/)
})

test("a file's own numbers are its parameters", async () => {
  const input = [1, 8, 8] as const
  const model = await modelOf(models.mlp(input, 10), { input, batchSize: 1 })
  const info = netInfo(await exportWasm(model))
  assert.is(ownBytes(info), 4 * (64 * 256 + 256 + 256 * 10 + 10))
  const state = [{ name: '0.weight', shape: [3, 5], offset: 0, layout: '' }]
  assert.is(ownBytes({ ...info, state }), 60)
  assert.is(ownBytes({ ...info, weights: 'int8', weightBytes: 7 }), 7)
})

test.run()
