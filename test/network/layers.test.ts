/** Layers between neurons: gradients against their definition in float64, in every method. */
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import {
  adaptiveAvgPool1d,
  adaptiveAvgPool2d,
  avgPool1d,
  type Block,
  batchNorm1d,
  block,
  type CompileOptions,
  conv1d,
  conv2d,
  delay,
  flatten,
  groupNorm,
  type Layer,
  layerNorm,
  lif,
  linear,
  type Method,
  maxPool2d,
  networkFromJSON,
  scale,
  sequential,
  sumPool1d,
  sumPool2d,
} from '../../src/index.js'
import type { InputShape } from '../../src/nn/value.js'
import { messageOf } from '../io/temporary.js'
import { checkCase, makeCase } from '../support/case.js'
import { byStep } from '../support/frames.js'
import { labels, uniform } from '../support/measure.js'
import { usualModes } from '../support/tables.js'

const seed = Number(process.env.SEED ?? 5)
const all = usualModes
const ramp = (n: number): number[] => Array.from({ length: n }, (_, i) => 0.5 + ((i * 7) % 11) / 8)

interface Chain {
  readonly layers: readonly Layer[]
  readonly input: InputShape
  /** Methods that it is not for. */
  readonly without?: readonly Method[]
}

const chains: Record<string, Chain> = {
  'sums over windows': {
    layers: [
      conv2d(3, 5, 3),
      lif(),
      sumPool2d(2, { stride: 1 }),
      conv2d(5, 6, 2),
      lif(),
      flatten(),
      linear(12, 4),
    ],
    input: [3, 5, 6],
  },
  'unequal windows': {
    layers: [conv2d(3, 5, 2), adaptiveAvgPool2d([3, 2]), lif(), flatten(), linear(30, 4)],
    input: [3, 5, 6],
  },
  'unequal windows of spikes, larger than the image': {
    layers: [conv2d(3, 5, 2), lif(), adaptiveAvgPool2d([3, 7]), flatten(), linear(105, 4)],
    input: [3, 5, 6],
    without: ['ottt'],
  },
  'group normalisation': {
    layers: [
      conv2d(3, 6, 3),
      groupNorm(3, 6),
      lif(),
      conv2d(6, 8, 2),
      groupNorm(1, 8, { eps: 0.01, affine: false }),
      lif(),
      flatten(),
      linear(48, 4),
    ],
    input: [3, 5, 6],
  },
  'layer normalisation': {
    layers: [
      conv2d(3, 5, 3),
      layerNorm([5, 3, 4]),
      lif(),
      flatten(),
      linear(60, 9),
      layerNorm(9),
      lif(),
      linear(9, 4),
    ],
    input: [3, 5, 6],
  },
  'layer normalisation of channels and rows': {
    // A bias of a channel has no effect.
    layers: [
      conv2d(3, 5, 2, { bias: false }),
      layerNorm(5),
      lif(),
      conv2d(5, 6, 2, { bias: false }),
      layerNorm([3, 4], { eps: 0.01 }),
      lif(),
      conv2d(6, 5, [3, 1], { bias: false }),
      layerNorm([4], { affine: false }),
      lif(),
      flatten(),
      linear(20, 4),
    ],
    input: [3, 5, 6],
  },
  'constants of channels and neurons': {
    layers: [
      conv2d(3, 5, 3),
      scale(ramp(5)),
      lif(),
      conv2d(5, 6, 2),
      scale(ramp(36)),
      lif(),
      flatten(),
      linear(36, 4),
    ],
    input: [3, 5, 6],
  },
  delays: {
    layers: [
      conv2d(3, 5, 3),
      lif(),
      delay(1),
      conv2d(5, 6, 2),
      delay([0, 1, 2, 3, 9, 0]),
      lif(),
      flatten(),
      linear(36, 4),
    ],
    input: [3, 5, 6],
    without: ['ottt', 'sltt'],
  },
  'delays of channels of spikes': {
    layers: [conv2d(3, 5, 3), lif(), delay([2, 0, 1, 3, 1]), flatten(), linear(60, 4)],
    input: [3, 5, 6],
    without: ['ottt', 'sltt'],
  },
  series: {
    layers: [
      conv1d(3, 6, 4, { padding: 1, bias: false }),
      batchNorm1d(6),
      lif(),
      avgPool1d(2),
      conv1d(6, 9, 3, { stride: 2, groups: 3 }),
      lif(),
      sumPool1d(2, { stride: 1 }),
      flatten(),
      linear(27, 4),
    ],
    input: [3, 19],
    without: ['ottt'],
  },
  'series pooled to a length': {
    layers: [
      conv1d(3, 6, 3),
      adaptiveAvgPool1d(4),
      lif(),
      flatten(),
      linear(24, 5, { bias: false }),
      batchNorm1d(5),
      lif(),
      linear(5, 4),
    ],
    input: [3, 12],
  },
}

for (const [name, { layers, input, without = [] }] of Object.entries(chains))
  for (const [method, stepMode] of all) {
    if (without.includes(method)) continue
    test(`${name}: ${method} ${stepMode}`, async () => {
      for (const [timeSteps, frames] of [
        [9, true],
        [3, false],
      ] as const) {
        const shared = { input, method, stepMode, frames }
        const options = { ...shared, timeSteps, batchSize: 2, threads: 1 }
        await checkCase(`T=${timeSteps}`, await makeCase(layers, options, seed))
      }
    })
  }

const bits = async (network: Block, options: CompileOptions): Promise<unknown> => {
  const model = await network.compile({ batchSize: 3, timeSteps: 5, seed: 4, ...options })
  const size = options.input.reduce((a, b) => a * b, 1) * 3 * (options.frames ? 5 : 1)
  for (let i = 0; i < 3; i++)
    await model.trainStep(uniform(size, 2, i), labels(3, 4, i), { lr: 0.1 })
  const state = model.stateDict()
  const { logits } = await model.predict(uniform(size, 2, 9))
  await model.dispose()
  return { state, logits }
}

/** All of them in one network; without delays for methods that learn step by step. */
const everything = (delays = true): Block =>
  block(
    {
      stem: sequential(conv2d(3, 6, 3), groupNorm(2, 6), layerNorm(4), lif()),
      later: delays ? delay([0, 1, 2, 0, 1, 3]) : scale(1),
      side: sequential(
        conv2d(6, 5, 3, { padding: 1 }),
        layerNorm([4, 4]),
        delays ? delay(2) : scale(2),
        lif(),
      ),
      sums: sequential(sumPool2d(2), conv2d(11, 7, 1), layerNorm([7, 2, 2]), lif()),
      flat: flatten(),
      wide: sequential(adaptiveAvgPool2d([3, 2]), flatten(), linear(36, 8), scale(ramp(8)), lif()),
      out: linear(36, 4),
    },
    (m, x, { concat }) => {
      const stem = m.later(m.stem(x))
      return m.out(concat(m.flat(m.sums(concat(stem, m.side(stem)))), m.wide(stem)))
    },
  )

for (const [method, stepMode] of all.filter(([method]) => method !== 'ottt'))
  test(`the same bits on 1 and 3 threads, in the debug build, from a file: ${method} ${stepMode}`, async () => {
    const network = everything(method !== 'sltt')
    const options = { input: [3, 6, 6], method, stepMode, frames: true } as const
    const one = await bits(network, { ...options, threads: 1 })
    assert.equal(await bits(network, { ...options, threads: 3 }), one)
    assert.equal(await bits(network, { ...options, engine: 'debug' }), one)
    const model = await network.compile(options)
    const again = networkFromJSON(JSON.stringify(model.toJSON()))
    assert.match(model.summary(), /concat.* \[11, 4, 4\]/)
    assert.equal(await bits(again as Block, options), one)
    if (method === 'bptt')
      assert.equal(await bits(network, { ...options, gradientCheckpoint: 'layers' }), one)
    await model.dispose()
  })

test('inference and streams give the bits of training, through delays', async () => {
  const shared = { input: [3, 6, 6], batchSize: 2, timeSteps: 7, seed: 2 } as const
  const network = everything()
  const full = await network.compile({ ...shared, frames: true, stepMode: 's' })
  const inside = await network.compile({
    ...shared,
    frames: true,
    stepMode: 's',
    purpose: 'inference',
  })
  const stream = await network.compile({ ...shared, purpose: 'stream' })
  const x = uniform(7 * 2 * 108, 3, 5)
  const { logits } = await full.predict(x)
  assert.equal((await inside.predict(x)).logits, logits)
  let last: Float32Array = new Float32Array()
  const steps = byStep(x, 7, 2)
  for (let t = 0; t < 7; t++)
    last = (await stream.step(steps.subarray(t * 216, (t + 1) * 216))).logits
  assert.equal(last, logits)
  for (const model of [full, inside, stream]) await model.dispose()
})

test('max pooling in the rate method: pooled or official', async () => {
  // One window of two neurons that fire at different steps: together at each, each at half.
  const net = (rate: 'pooled' | 'official'): Block =>
    sequential(maxPool2d([1, 2], { rate }), flatten(), linear(1, 2, { bias: false }))
  const pool = (rate: 'pooled' | 'official') => sequential(lif({ vThreshold: 1 }), net(rate))
  const x = Float32Array.of(2, 0, 0, 2)
  const gradients = []
  for (const stepMode of ['m', 's'] as const)
    for (const rate of ['pooled', 'official'] as const) {
      const model = await pool(rate).compile({
        input: [1, 1, 2],
        timeSteps: 2,
        batchSize: 1,
        frames: true,
        stepMode,
      })
      const state = model.stateDict()
      state['1.2.weight'].data.set([0, 0])
      model.loadStateDict(state)
      await model.trainStep(x, [0], { update: false })
      gradients.push([...model.gradients()['1.2.weight'].data])
      await model.dispose()
    }
  // ∂L/∂z / T = ∓1/4, times the rate of the window.
  assert.equal(gradients, [
    [-0.25, 0.25],
    [-0.125, 0.125],
    [-0.25, 0.25],
    [-0.125, 0.125],
  ])
})

test('mistakes are named', async () => {
  const compiled = (...layers: Layer[]): Promise<unknown> =>
    sequential(...layers, flatten(), linear(9, 2)).compile({ input: [2, 5, 5], method: 'bptt' })
  for (const [make, message] of [
    [() => scale(1e39), /scale.factor must be a finite float32 number other than 0.*got 1e\+39/],
    [() => scale([1, 1e39]), /finite float32 numbers, got 1e\+39 at index 1/],
    [() => scale(1n as never), /scale.factor must be .* got 1/],
    [() => scale([]), /must not be empty/],
    [() => compiled(scale([1, 2, 3])), /0 \(scale\): has 3 factors; .* needs 2, one for .* or 50/],
    [() => delay(-1), /delay.steps must be an integer from 0 to 4096.*got -1/],
    [() => delay([1, 0.5]), /got 0.5 at index 1/],
    [() => compiled(delay([1, 2, 3])), /0 \(delay\): has 3 delays, its input \[2, 5, 5\] needs 2/],
    [() => groupNorm(3, 4), /groupNorm.groups must divide channels \(4\), got 3/],
    [() => groupNorm(2, 4, { eps: 0 }), /groupNorm.eps must be > 0 and finite as a float32, got 0/],
    [() => compiled(groupNorm(2, 4)), /0 \(groupNorm\): expects 4 channels, got \[2, 5, 5\]/],
    [() => layerNorm(null as never), /layerNorm.shape must be one to three integers ≥ 1, got null/],
    [
      () => compiled(layerNorm([2, 5])),
      /normalises the last sizes \[2, 5\] .*got \[2, 5, 5\]; give it \[2, 5, 5\], \[5, 5\] or \[5\]/,
    ],
    [() => compiled(conv1d(2, 3, 3)), /expects a series \[C, L\], got the image \[2, 5, 5\]/],
    [() => conv1d(2, 3, [3] as never), /conv1d.kernelSize must be an integer ≥ 1/],
    [() => maxPool2d(2, { rate: 'max' as never }), /maxPool2d.rate must be 'pooled' or 'official'/],
    [() => sumPool1d(2, { padding: 2 }), /sumPool1d.padding must be at most half the kernel/],
  ] as const)
    assert.match(await messageOf(async () => make()), message)
  const joins = (children: Record<string, Layer>): Promise<unknown> =>
    block(children, (m, x, { concat }) => concat(m.a(x), m.b(x))).compile({ input: [2, 5, 5] })
  assert.match(
    await messageOf(() => joins({ a: conv2d(2, 2, 3), b: conv2d(2, 2, 2) })),
    /concat joins channels of values of one height and width, or flat values, got \[2, 3, 3\]/,
  )
  assert.match(
    await messageOf(() => block({}, (_m, x, { concat }) => concat(x)).compile({ input: [2] })),
    /concat needs two or more values/,
  )
  const late = sequential(flatten(), linear(8, 4), lif(), delay(1), linear(4, 2))
  for (const method of ['ottt', 'sltt'] as const)
    assert.match(
      await messageOf(() => late.compile({ input: [8], method, timeSteps: 3 })),
      /3 \(delay\): method '.*' .* cannot train through a delay; use 'rate' or 'bptt'/,
    )
  const model = await late.compile({ input: [8], method: 'sltt', purpose: 'inference' })
  await model.dispose()
})

test.run()
