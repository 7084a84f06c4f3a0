/** Ops of convolutions and linear layers are the records of networks, and give their bits. */
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { methodOptions } from '../../src/compile/methods.js'
import { type Method, makePlan, type PlanOptions } from '../../src/compile/plan.js'
import type { PlannedRecord } from '../../src/compile/program.js'
import {
  avgPool2d,
  batchNorm2d,
  compile,
  conv2d,
  flatten,
  lif,
  linear,
  relu,
  residual,
  sequential,
} from '../../src/index.js'
import { trace } from '../../src/network/trace.js'
import * as ops from '../../src/ops/index.js'
import { OpPlan } from '../../src/ops/plan.js'
import { nameOf, Op } from '../support/operations.js'
import { expectSameBits, randomShapes } from '../support/ops.js'

const [B, T] = [5, 4]
const input = [3, 8, 8] as const

/** What a record says but for its addresses. */
function shown(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(shown)
  if (typeof value !== 'object' || value === null) return value
  if ('buffer' in value || 'bytes' in value) return 'somewhere'
  return Object.fromEntries(
    Object.entries(value)
      .filter(([name, of]) => of !== undefined && name !== 'inIndirect')
      // A model's input has its address in the control block.
      .map(([name, of]) => [name, name === 'in' ? 'somewhere' : shown(of)]),
  )
}

const describe = ({ op, units, groups, scratch, condition, fields }: PlannedRecord): object => ({
  op: nameOf(op),
  units,
  groups,
  scratch,
  condition: typeof condition === 'object' ? 'choice' : condition,
  ...(shown(fields) as object),
})

type Options = Record<string, unknown>

/** Records of an op of a layer: forward, or of a gradient. */
function recordsOf(layer: 'conv2d' | 'linear', part: string, options: Options): object[] {
  const op = Object.values(ops).find((one) => 'opName' in one && one.opName === layer + part)
  const plan = (op as { plan(options: Options): unknown }).plan(options) as OpPlan
  return OpPlan.insides(plan).records.map(describe)
}

/** Sums of gradients, and the loss, are other ops; evaluation counts inputs beside. */
const others = [
  Op.GradientSum,
  Op.TimeSum,
  Op.Output,
  Op.CrossEntropy,
  Op.ActiveFloats,
  Op.ActiveSpikes,
]

const network = sequential(
  conv2d(3, 9, 3, { padding: 1 }),
  lif(),
  conv2d(9, 16, 3, { padding: 1, bias: false }),
  batchNorm2d(16),
  lif(),
  avgPool2d(2),
  conv2d(16, 12, 3, { padding: 1, stride: 2 }),
  lif(),
  conv2d(12, 12, 3, { padding: 1, groups: 3 }),
  lif(),
  flatten(),
  linear(48, 70),
  lif(),
  linear(70, 10),
)

/** The network's layers with weights: by node, the ops that make them forward and backward. */
const layers: [number, 'conv2d' | 'linear', Options][] = [
  [
    1,
    'conv2d',
    { input: [B, ...input], weight: [9, 3, 3, 3], padding: 1, bias: true, image: true },
  ],
  [3, 'conv2d', { input: [B, 9, 8, 8], weight: [16, 9, 3, 3], padding: 1, moments: true }],
  [
    7,
    'conv2d',
    {
      input: [B, 16, 8, 8],
      weight: [12, 16, 3, 3],
      padding: 1,
      stride: 2,
      bias: true,
      pool: { kernelSize: 2 },
    },
  ],
  [9, 'conv2d', { input: [B, 12, 2, 2], weight: [12, 4, 3, 3], padding: 1, groups: 3, bias: true }],
  [12, 'linear', { input: [B, 12, 2, 2], weight: [70, 48], bias: true }],
  [14, 'linear', { input: [B, 70], weight: [10, 70], bias: true }],
]

function recordsOfNetwork(
  method: Method,
  program: 'train' | 'evaluate',
  node: number,
  graph = trace(network, input),
  more: Partial<PlanOptions> = {},
): object[][] {
  const options: PlanOptions = {
    ...methodOptions({ method, stepMode: 'm' }, T),
    graph,
    input,
    frames: false,
    inspect: false,
    timeSteps: T,
    batchSize: B,
    purpose: 'train',
    ...more,
  }
  const { records } = makePlan(options, 1).programs[program] ?? { records: [] }
  return (['forward', 'backward'] as const).map((phase) =>
    records
      .filter((record) => record.layer === node && record.phase === phase)
      .filter(({ op }) => !others.includes(op))
      .map(describe),
  )
}

for (const method of ['rate', 'bptt'] as const)
  test(`${method}: the records of a network`, () => {
    for (const [node, layer, of] of layers) {
      const { image = false, moments: _, bias = false, pool, ...shapes } = of
      const spikes = !image
      const timed = (shape: unknown): number[] => (shape as number[]).toSpliced(1, 0, T)
      const forwardInput = spikes ? timed(of.input) : of.input
      const forward = { ...of, input: forwardInput, ...(spikes && { spikes }) } as Options
      const forwardOf = (more: Options) => recordsOf(layer, '', { ...forward, ...more })
      const [trained, backward] = recordsOfNetwork(method, 'train', node)
      assert.equal(trained, forwardOf(spikes ? { training: true } : {}), `${node} forward`)
      const [predicted] = recordsOfNetwork(method, 'evaluate', node)
      assert.equal(predicted, forwardOf({ moments: undefined }), `${node} in prediction`)

      const through = method === 'bptt' && spikes
      const rows = through ? timed(of.input) : of.input
      const read = !spikes ? { image } : through ? { spikes } : { counts: true, timeSteps: T }
      const weight = { ...shapes, ...read, ...(pool !== undefined && { pool }), input: rows }
      const pooled =
        pool === undefined
          ? rows
          : (rows as number[]).map((n, i, all) => (i < all.length - 2 ? n : n / 2))
      const back = { ...shapes, input: pooled }
      const gradient = layer === 'linear' ? ops.linearInputGradient : ops.conv2dInputGradient
      const { shape: delta } = gradient.plan(back as never).tensors.delta
      const expected = [
        ...recordsOf(layer, 'WeightGradient', weight),
        ...(bias ? recordsOf(layer, 'BiasGradient', { delta }) : []),
        ...(spikes ? recordsOf(layer, 'InputGradient', back) : []),
      ]
      assert.equal(backward, expected, `${node} backward`)
    }
  })

/** A convolution that reads the spikes of two layers. */
const residualNetwork = sequential(
  conv2d(3, 8, 3, { padding: 1 }),
  lif(),
  residual(sequential(conv2d(8, 8, 3, { padding: 1 }), lif())),
  conv2d(8, 12, 3, { padding: 1 }),
  lif(),
  flatten(),
  linear(12 * 64, 10),
)

for (const timeSteps of [1, 2, 4])
  test(`sums of spikes over ${timeSteps} steps: the records of a network`, () => {
    const graph = trace(residualNetwork, input)
    const node = graph.nodes.findIndex(
      ({ layer }) => layer?.kind === 'conv2d' && layer.outChannels === 12,
    )
    const shapes = { weight: [12, 8, 3, 3], padding: 1, sources: 2 }
    const timed = { ...shapes, input: [B, timeSteps, 8, 8, 8] }
    const more = { timeSteps, backwardSteps: timeSteps }
    const network = (method: Method, program: 'train' | 'evaluate'): object[][] =>
      recordsOfNetwork(method, program, node, graph, more)
    const forward = (training: boolean): object[] =>
      recordsOf('conv2d', '', { ...timed, spikes: true, bias: true, training })
    const back = { ...timed, spikes: true }
    const rate = { ...shapes, input: [B, 8, 8, 8], counts: true, timeSteps }
    assert.equal(network('rate', 'train')[0], forward(true), 'training')
    assert.equal(network('rate', 'evaluate')[0], forward(false), 'prediction')
    for (const [method, weight] of [
      ['rate', rate],
      ['bptt', back],
    ] as const) {
      const expected = recordsOf('conv2d', 'WeightGradient', weight)
      const found = network(method, 'train')[1]
      assert.equal(found.slice(0, expected.length), expected, method)
    }
  })

test('weights of one byte: the records of a network', () => {
  for (const [node, layer, options] of layers) {
    if (options.image || options.groups) continue
    const given = {
      ...options,
      input: (options.input as number[]).toSpliced(1, 0, T),
      moments: false,
    }
    const graph = trace(network, input)
    const fixed = { fixed: true, weights: 'int8', purpose: 'inference' } as const
    const [records] = recordsOfNetwork('rate', 'evaluate', node, graph, fixed)
    const expected = recordsOf(layer, '', { ...given, spikes: true, weightType: 'int8' })
    assert.equal(records, expected, `${node}`)
    assert.is((expected[0] as { op: string }).op, 'SpikeForwardBytes')
  }
})

test('the bits of a network', async () => {
  const layers = [
    conv2d(3, 8, 3, { padding: 1 }),
    relu(),
    conv2d(8, 9, 3, { padding: 1, standardise: true }),
    relu(),
    flatten(),
    linear(9 * 64, 5, { standardise: true }),
  ]
  const model = await compile(sequential(...layers), {
    input,
    batchSize: 1,
    timeSteps: 1,
    method: 'rate',
    seed: 3,
  })
  try {
    const r = randomShapes(4)
    const x = r.floats(3 * 64)
    const state = model.stateDict()
    const of = (name: string): Float32Array => state[name].data
    await model.trainStep(x, [2])
    const gradients = model.gradients()
    const first = { input: [1, 3, 8, 8], weight: [8, 3, 3, 3], padding: 1 } as const
    const second = { input: [1, 8, 8, 8], weight: [9, 8, 3, 3], padding: 1 } as const
    const last = { input: [1, 9, 8, 8], weight: [5, 576] } as const
    const a = ops.conv2d({ ...first, bias: true }, x, of('0.weight'), of('0.bias'))
    const h = ops.relu({ input: [1, 8, 8, 8] }, a)
    const gains = { weight: second.weight, gain: true } as const
    const w2 = ops.weightStandardise(gains, of('2.weight'), of('2.gain'))
    const b = ops.conv2d({ ...second, bias: true }, h, w2, of('2.bias'))
    const i = ops.relu({ input: [1, 9, 8, 8] }, b)
    const flat = { weight: last.weight, gain: true, pixels: 64 } as const
    const w5 = ops.weightStandardise(flat, of('5.weight'), of('5.gain'))
    const y = ops.linear({ ...last, bias: true }, i, w5, of('5.bias'))
    expectSameBits('output', y, model.output())

    // With one image the gradient of a bias is the output's.
    const dy = gradients['5.bias'].data
    const d5 = ops.weightStandardiseGradient(
      flat,
      of('5.weight'),
      of('5.gain'),
      ops.linearWeightGradient(last, i, dy),
    )
    expectSameBits('5.weight', d5.gradient, gradients['5.weight'].data)
    expectSameBits('5.gain', d5.gainGradient, gradients['5.gain'].data)
    const masked = (d: Float32Array, by: Float32Array): Float32Array =>
      d.map((v, at) => (by[at] > 0 ? v : 0))
    const db = masked(ops.linearInputGradient(last, w5, dy), b)
    const d2 = ops.weightStandardiseGradient(
      gains,
      of('2.weight'),
      of('2.gain'),
      ops.conv2dWeightGradient(second, h, db),
    )
    expectSameBits('2.weight', d2.gradient, gradients['2.weight'].data)
    expectSameBits('2.gain', d2.gainGradient, gradients['2.gain'].data)
    const bias = ops.conv2dBiasGradient({ delta: [1, 9, 8, 8] }, db)
    expectSameBits('2.bias', bias, gradients['2.bias'].data)
    const da = masked(ops.conv2dInputGradient(second, w2, db), a)
    expectSameBits('0.weight', ops.conv2dWeightGradient(first, x, da), gradients['0.weight'].data)
  } finally {
    await model.dispose()
  }
})

test.run()
