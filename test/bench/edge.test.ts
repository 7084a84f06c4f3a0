/** The benchmark of exported networks: that it runs, and that it measures what it says. */
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { runBench } from '../../bench/command.js'
import { type Chain, type ChainLayer, chainOf, type Numbers } from '../../bench/edge/chain.js'
import { ownBytes } from '../../bench/edge.js'
import { exportWasm } from '../../src/edge/export.js'
import { netInfo } from '../../src/edge/net.js'
import {
  adaptiveAvgPool2d,
  batchNorm2d,
  block,
  compile,
  conv2d,
  cosine,
  datasets,
  flatten,
  identity,
  lif,
  linear,
  relu,
  sequential,
  sgd,
} from '../../src/index.js'
import { models } from '../../src/model/models/registry.js'
import { succeed } from '../cli/in-process.js'
import { labels, uniform } from '../support/measure.js'

test('--quick --only edge writes tables and entries of finite numbers', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'bench-'))
  try {
    const json = join(folder, 'out.json')
    // V8's flags stay as they are.
    const args = ['--quick', '--only', 'edge', '--json', json, '--no-revectorize']
    const { stdout } = await succeed(args, { program: runBench })
    assert.match(stdout, /^Exported networks, T 4, one image, one thread$/m)
    assert.not.match(stdout, /NaN|Infinity|left out/)
    const entries = JSON.parse(readFileSync(json, 'utf8')) as Record<string, unknown>[]
    const names = entries.map(({ name }) => name as string)
    assert.is(new Set(names).size, names.length, 'an action compares by names')
    for (const { name, unit, value, extra } of entries) {
      assert.ok(['bytes', 'ratio', 'ms'].includes(unit as string), `${name}: ${unit}`)
      assert.ok(Number.isFinite(value) && (value as number) > 0, `${name}: ${value}`)
      if (/ time$| \/ /.test(`${name}`))
        // Layers from the quietest to the busiest: as those of trained networks.
        assert.match(extra as string, /^rate 0\.[0-3]\d \(0\.(0[5-9]|[1-3]\d)–0\.[0-3]\d\)/)
    }
    for (const network of ['mlp', 'cnn'])
      for (const what of [
        ...['simd f32', 'scalar f32', 'simd int8'].flatMap((file) => [
          `${file} | above its numbers`,
          `${file} | time`,
          `${file} | first image`,
        ]),
        'simd f32 / predict',
        'scalar f32 / simd f32',
        'simd int8 / simd f32',
      ])
        assert.ok(names.includes(`edge | ${network} | ${what}`), `an entry "${network} ${what}"`)
    assert.ok(names.includes('edge | cnn | train, batch 16 | above its numbers'))
  } finally {
    rmSync(folder, { recursive: true })
  }
})

/** A chain's outputs by plain loops in float64. */
function outputsOf({ input, timeSteps, layers }: Chain, all: Float32Array, image: Float32Array) {
  interface Value {
    readonly steps: Float64Array[]
    readonly shape: number[]
  }
  const first: Value = {
    steps: Array.from({ length: timeSteps }, () => Float64Array.from(image)),
    shape: [...input],
  }
  const values: Value[] = []
  const at = ({ at }: Numbers, i: number): number => all[at + i]
  const apply = (layer: ChainLayer): Value => {
    const inputs = layer.inputs.map((i) => (i < 0 ? first : values[i]))
    let { steps, shape } = inputs[0]
    const [C, H, W] = shape
    const map = (
      to: number[],
      value: (x: Float64Array, c: number, y: number, x0: number) => number,
    ) => {
      steps = steps.map((x) =>
        Float64Array.from({ length: to[0] * to[1] * to[2] }, (_, i) =>
          value(x, Math.floor(i / (to[1] * to[2])), Math.floor(i / to[2]) % to[1], i % to[2]),
        ),
      )
      shape = to
    }
    switch (layer.op) {
      case 'conv': {
        const [N, , kh, kw] = layer.weight.shape
        const out = [H, W].map(
          (n, i) => Math.floor((n + 2 * layer.padding[i] - [kh, kw][i]) / layer.stride[i]) + 1,
        )
        map([N, ...out], (x, n, y0, x0) => {
          let sum = at(layer.bias, n)
          for (let c = 0; c < C; c++)
            for (let i = 0; i < kh; i++)
              for (let j = 0; j < kw; j++) {
                const y = y0 * layer.stride[0] + i - layer.padding[0]
                const z = x0 * layer.stride[1] + j - layer.padding[1]
                if (y >= 0 && y < H && z >= 0 && z < W)
                  sum += x[(c * H + y) * W + z] * at(layer.weight, ((n * C + c) * kh + i) * kw + j)
              }
          return sum
        })
        break
      }
      case 'linear': {
        const [N, M] = layer.weight.shape
        map([N, 1, 1], (x, n) =>
          x.reduce((sum, v, m) => sum + v * at(layer.weight, n * M + m), at(layer.bias, n)),
        )
        break
      }
      case 'avgPool': {
        const [kh, kw] = layer.kernel
        const out = [H, W].map((n, i) => Math.floor((n - layer.kernel[i]) / layer.stride[i]) + 1)
        map([C, ...out], (x, c, y, z) => {
          let sum = 0
          for (let i = 0; i < kh; i++)
            for (let j = 0; j < kw; j++)
              sum += x[(c * H + y * layer.stride[0] + i) * W + z * layer.stride[1] + j]
          return sum / (kh * kw)
        })
        break
      }
      case 'neuron': {
        const v = new Float64Array(C * H * W)
        steps = steps.map((x) =>
          x.map((current, i) => {
            const u = layer.keep * v[i] + current
            const spike = u >= layer.threshold ? 1 : 0
            v[i] = u - layer.threshold * spike
            return spike
          }),
        )
        break
      }
      case 'flatten':
        shape = [C * H * W, 1, 1]
        break
      case 'add':
        steps = steps.map((_, t) =>
          inputs.map((input) => input.steps[t]).reduce((a, b) => a.map((v, i) => v + b[i])),
        )
        break
      default:
        layer satisfies never
    }
    return { steps, shape }
  }
  for (const layer of layers) values.push(apply(layer))
  const { steps } = values[values.length - 1]
  return Array.from(steps[0], (_, k) => steps.reduce((s, x) => s + x[k], 0) / timeSteps)
}

test('the chain for other programs computes what predict does, without normalisations', async () => {
  const input = [1, 8, 8] as const
  const { train, test: data } = await datasets.digits()
  for (const name of ['mlp', 'cnn'] as const) {
    const model = await compile(models[name](input, 10), { input, timeSteps: 4, seed: 0 })
    try {
      await model.fit(train, { epochs: 1, optimizer: sgd({ lr: 0.2 }), schedule: cosine() })
      const { chain, numbers } = chainOf(model)
      const far: string[] = []
      for (let i = 0; i < 6; i++) {
        const image = new Float32Array(64)
        data.read(i, image)
        const { logits } = await model.predict(image)
        const rates = Object.values(model.firingRates())
        assert.ok(
          rates.every((rate) => rate > 0.01 && rate < 0.5),
          `rates of ${name}: ${rates}`,
        )
        const own = outputsOf(chain, numbers, image)
        assert.is(own.length, logits.length)
        const most = Math.max(...own.map((value, k) => Math.abs(value - logits[k])))
        // Rounding may flip a spike near the threshold, which moves an output by a weight / T.
        if (most > 1e-5) far.push(`${name} ${i}: ${most}`)
        assert.ok(most < 0.1, `${name} ${i}: ${most}`)
      }
      assert.ok(far.length <= 2, far.join(', '))
    } finally {
      await model.dispose()
    }
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
  const input = [2, 6, 6] as const
  const net = sequential(
    half(2, 5, 1),
    half(5, 5, 1),
    half(5, 8, 2),
    adaptiveAvgPool2d(1),
    flatten(),
    linear(8, 4),
  )
  const model = await net.compile({ input, batchSize: 8, timeSteps: 3 })
  try {
    for (let i = 0; i < 6; i++)
      await model.trainStep(uniform(8 * 72, 2, i), labels(8, 4, i), { lr: 0.05 })
    const { chain, numbers } = chainOf(model)
    assert.ok(chain.layers.filter(({ op }) => op === 'add').length === 3)
    for (let i = 0; i < 6; i++) {
      const image = uniform(72, 2, 50 + i)
      const { logits } = await model.predict(image)
      const own = outputsOf(chain, numbers, image)
      assert.ok(Object.values(model.firingRates()).every((rate) => rate > 0))
      for (const [k, value] of own.entries())
        assert.ok(Math.abs(value - logits[k]) < 1e-4, `${i}: ${value}, ${logits[k]}`)
    }
  } finally {
    await model.dispose()
  }
})

test('what others cannot hold is named', async () => {
  const net = sequential(conv2d(1, 4, 3, { groups: 1 }), relu(), flatten(), linear(144, 3))
  const model = await net.compile({ input: [1, 8, 8], batchSize: 1 })
  try {
    assert.throws(() => chainOf(model), /^1: no other program can hold this relu/)
  } finally {
    await model.dispose()
  }
})

test("a file's own numbers are its parameters", async () => {
  const model = await compile(models.mlp([1, 8, 8], 10), { input: [1, 8, 8], batchSize: 1 })
  try {
    const info = netInfo(await exportWasm(model))
    assert.is(ownBytes(info), 4 * (64 * 256 + 256 + 256 * 10 + 10))
    const state = [{ name: '0.weight', shape: [3, 5], offset: 0, layout: '' }]
    assert.is(ownBytes({ ...info, state }), 60)
    assert.is(ownBytes({ ...info, weights: 'int8', weightBytes: 7 }), 7)
  } finally {
    await model.dispose()
  }
})

test.run()
