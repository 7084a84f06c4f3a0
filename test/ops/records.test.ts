/**
 * A training step of a network is a list of ops: its records are theirs, one behind the other, with
 * the same words but for addresses.
 */
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { type MethodOptions, methodOptions } from '../../src/compile/methods.js'
import { makePlan, type PlanOptions } from '../../src/compile/plan.js'
import type { PlannedRecord } from '../../src/compile/program.js'
import { standardTraining } from '../../src/compile/training.js'
import * as sw from '../../src/index.js'
import { KernelSet } from '../../src/kernels/equations/kernel-set.js'
import { trace } from '../../src/network/trace.js'
import * as ops from '../../src/ops/index.js'
import { OpPlan } from '../../src/ops/plan.js'
import { withBudgets } from '../support/budgets.js'
import { nameOf } from '../support/operations.js'

type Shape = readonly number[]
/** An op and its options; false: none, where methods differ. */
type Call = readonly [name: keyof typeof ops, options: object] | false

/** What evaluation counts beside, or a network says of its own input. */
const notCompared = ['indirect', 'inIndirect', 'activity', 'activityWanted', 'counting']

/** What a record says but for its addresses; what is false is not said. */
function shown(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(shown)
  if (typeof value !== 'object' || value === null) return value
  if ('buffer' in value || 'bytes' in value) return 'somewhere'
  // Sums of each step do not read over how many a mean would be.
  const unread =
    'mean' in value && value.mean === false ? [...notCompared, 'totalSteps'] : notCompared
  const fields = Object.entries(value).filter(
    ([name, of]) => of !== undefined && of !== false && !unread.includes(name),
  )
  return Object.fromEntries(
    // A model's input has its address in the control block.
    fields.map(([name, of]) => [name, ['in', 'address'].includes(name) ? 'somewhere' : shown(of)]),
  )
}

/** @param kernels what kernels follow from, by their places */
const describe =
  (kernels: readonly string[]) =>
  ({ op, units, groups, scratch, condition, fields }: PlannedRecord) => ({
    op: nameOf(op),
    units,
    groups,
    scratch,
    isChosen: typeof condition === 'object',
    ...(shown(fields) as object),
    kernel: 'kernel' in fields ? kernels[fields.kernel as number] : undefined,
  })

/** What the kernels of the last op follow from. */
const taken = new Set<string>()
const { take } = KernelSet.prototype
KernelSet.prototype.take = function (this: KernelSet, key, make) {
  taken.add(key)
  return take.call(this, key, make)
}

function recordsOf([name, options]: Exclude<Call, false>) {
  taken.clear()
  const op = Object.values(ops).find((one) => 'opName' in one && one.opName === name)
  const plan = (op as unknown as { plan(options: object): OpPlan }).plan(options)
  return OpPlan.insides(plan).records.map(describe([...taken]))
}

type Options = Partial<Omit<PlanOptions, 'input'>> & MethodOptions

/** Throws unless a program of a network is what these ops plan. */
function expectOps(
  [net, input, given]: readonly [Parameters<typeof trace>[0], sw.InputShape, Options],
  calls: readonly Call[],
  { program = 'train', without = '' }: { program?: 'train' | 'evaluate'; without?: string } = {},
): void {
  const { method, stepMode, timeSteps = T, ...more } = given
  const shared = { graph: trace(net, input), input, inspect: false, batchSize: B, timeSteps }
  const own = { frames: false, purpose: 'train', ...methodOptions({ method, stepMode }, timeSteps) }
  const { programs, kernels } = makePlan({ ...own, ...shared, ...more } as PlanOptions, 1)
  const records = programs[program]?.sections.flatMap((section) => section.records) ?? []
  const found = records
    // Nor do ops step by another decay, which only weights have.
    .filter(({ op, fields }) => !nameOf(op).startsWith('Active') && !fields.otherDecay)
    .filter(({ op }) => !without.split(' ').includes(nameOf(op)))
    .map(describe(kernels?.keys ?? []))
  // A sum of spikes is sorted once, forward.
  const isOwn = ([name]: Exclude<Call, false>, op: string): boolean =>
    op !== 'SortSpikes' || !name.endsWith('WeightGradient')
  const expected = calls.flatMap((call) =>
    call ? recordsOf(call).filter(({ op }) => isOwn(call, op)) : [],
  )
  const names = (of: readonly { op: string }[]): string[] => of.map(({ op }) => op)
  assert.equal(names(found), names(expected))
  for (const [i, record] of found.entries())
    assert.equal(record, expected[i], `${record.op}, record ${i}`)
}

const [B, T, classes] = [2, 4, 10]
const timed = ([b, ...shape]: Shape): number[] => [b, T, ...shape]
const modes = { rate: 'rate', bptt: 'time', sltt: 'online', ottt: 'online' } as const

/** Through time each step has the T-th part of the gradient of the mean. */
const meanGradient = (shape: Shape): Call => [
  'gradientSum',
  { input: timed(shape), terms: [{ still: true, scale: 1 / T }] },
]

/** What methods make different. */
function differences(method: keyof typeof modes) {
  const mode = modes[method]
  const rate = mode === 'rate'
  return {
    mode,
    rate,
    /** Shapes of gradients, which have lost their time axis in the rate method. */
    back: (shape: Shape): Shape => (rate ? shape : timed(shape)),
    read: rate ? { counts: true, timeSteps: T } : { spikes: true },
    over: mode === 'time' ? 'images' : 'imagesAndSteps',
    choice: rate ? 'rate' : 'step',
    outputs: {
      rate: ['spikes', 'counts', 'eligibilities'],
      time: ['spikes', 'counts'],
      online: ['spikes', 'counts', 'surrogates'],
    }[mode],
  }
}

const spiking = sw.sequential(
  sw.conv2d(3, 6, 3, { padding: 1 }),
  sw.batchNorm2d(6),
  sw.lif(),
  sw.maxPool2d(2),
  sw.flatten(),
  sw.linear(96, classes),
  sw.lif(),
  sw.dropout(0.2),
)

for (const method of ['rate', 'bptt', 'sltt', 'ottt'] as const)
  test(`${method}: normalisation, pooling, dropout`, () => {
    const { mode, rate, back, read, over, choice, outputs } = differences(method)
    const online = mode === 'online'
    const image = { input: [B, 3, 8, 8], weight: [6, 3, 3, 3], padding: 1 }
    const [one, pooled, ends] = [
      [B, 6, 8, 8],
      [B, 6, 4, 4],
      [B, classes],
    ]
    const norm = { input: one, stepMode: online ? 's' : 'm' }
    const still = { input: one, timeSteps: T, affine: true }
    const window = { kernelSize: 2, choice }
    const weight = [classes, 96]
    const dropped = { p: 0.2, spikes: true, outputs: ['output', 'counts'] }
    const loss = online ? { mseWeight: 0.05, instantaneous: true } : {}
    // Small units show how many rows of a pixel a kernel takes together.
    withBudgets(rate ? { unitFloats: 24 } : {}, () =>
      expectOps(
        [spiking, [3, 8, 8], { method }],
        [
          ['conv2d', { ...image, bias: true }],
          ['batchNorm', { ...norm, timeSteps: T, outputs: ['mean', 'invStd'] }],
          ['lif', { ...still, outputs: rate ? [...outputs, 'xhat'] : outputs }],
          [
            'maxPool2d',
            { ...window, input: timed(one), spikes: true, outputs: ['output', 'choice'] },
          ],
          ['linear', { weight, input: timed(pooled), spikes: true, training: true, bias: true }],
          ['lif', { input: timed(ends), outputs }],
          ['dropout', { ...dropped, input: timed(ends) }],
          ['add', { terms: [{ input: timed(ends), spikes: true, scale: 1.25 }] }],
          ['crossEntropy', { ...loss, input: timed(ends), over }],
          mode === 'time' && meanGradient(ends),
          ['gradientSum', { input: back(ends), terms: [{ scale: 1.25 }] }],
          ['dropoutBackward', { input: back(ends), p: 0.2 }],
          ['lifBackward', { mode, input: back(ends) }],
          method === 'ottt' && ['traceGradient', { input: timed(ends) }],
          // Nobody has counted the spikes that pooling leaves.
          [
            'linearWeightGradient',
            { ...read, weight, input: back(pooled), algorithm: rate ? 'direct' : 'patterns' },
          ],
          ['linearBiasGradient', { delta: back(ends) }],
          ['linearInputGradient', { weight, input: back(pooled) }],
          ['maxPool2dBackward', { ...window, input: back(one) }],
          ['lifBackward', { mode, ...(mode === 'time' ? still : { input: back(one) }) }],
          !rate && ['timeSum', { input: timed(one) }],
          ['batchNormBackward', { ...norm, normalised: rate }],
          ['conv2dWeightGradient', image],
          ['conv2dBiasGradient', { delta: one }],
          ['sgd', { shape: [2336] }],
        ],
      ),
    )
  })

const weighted = sw.sequential(
  sw.conv2d(3, 9, 3, { padding: 1 }),
  sw.lif(),
  sw.conv2d(9, 16, 3, { padding: 1, bias: false }),
  sw.batchNorm2d(16),
  sw.lif(),
  sw.avgPool2d(2),
  sw.conv2d(16, 12, 3, { padding: 1, stride: 2 }),
  sw.lif(),
  sw.conv2d(12, 12, 3, { padding: 1, groups: 3 }),
  sw.lif(),
  sw.flatten(),
  sw.linear(48, 70),
  sw.lif(),
  sw.linear(70, classes),
)

/** Outputs of its layers with weights, and what these are; `pool` is of the second one's input. */
const [a, b, c, d, e] = [
  [5, 9, 8, 8],
  [5, 16, 8, 8],
  [5, 12, 2, 2],
  [5, 70],
  [5, classes],
]
const layers = {
  image: { input: [5, 3, 8, 8], weight: [9, 3, 3, 3], padding: 1 },
  normed: { input: a, weight: [16, 9, 3, 3], padding: 1 },
  strided: { input: b, weight: [12, 16, 3, 3], padding: 1, stride: 2, pool: { kernelSize: 2 } },
  grouped: { input: c, weight: [12, 4, 3, 3], padding: 1, groups: 3 },
  flat: { input: c, weight: [70, 48] },
  last: { input: d, weight: [classes, 70] },
}

for (const method of ['rate', 'bptt'] as const) {
  const { mode, rate, back, read, over, outputs } = differences(method)

  const forward = (training: boolean): Call[] => {
    const spikes = <O extends { input: Shape }>(of: O): object => ({
      ...of,
      input: timed(of.input),
      spikes: true,
      bias: true,
      training,
    })
    const kept = training ? outputs : ['spikes', 'counts']
    const xhat = rate && training ? ['xhat'] : []
    return [
      ['conv2d', { ...layers.image, bias: true }],
      ['lif', { input: a, timeSteps: T, outputs: kept }],
      ['conv2d', { ...spikes(layers.normed), bias: false, moments: training }],
      training
        ? ['batchNorm', { input: timed(b), moments: [20, 4, 16], outputs: ['mean', 'invStd'] }]
        : ['batchNorm', { input: b, training, outputs: ['scale', 'shift'] }],
      ['lif', { input: timed(b), affine: true, outputs: [...kept, ...xhat] }],
      ['conv2d', spikes(layers.strided)],
      ['lif', { input: timed(c), outputs: kept }],
      ['conv2d', spikes(layers.grouped)],
      ['lif', { input: timed(c), outputs: kept }],
      ['linear', spikes(layers.flat)],
      ['lif', { input: timed(d), outputs: kept }],
      ['linear', spikes(layers.last)],
      [
        'crossEntropy',
        { input: timed(e), over, outputs: ['loss', ...(training ? ['gradient'] : [])] },
      ],
    ]
  }

  test(`${method}: layers with weights in prediction`, () =>
    expectOps([weighted, [3, 8, 8], { method, batchSize: 5 }], forward(false), {
      program: 'evaluate',
    }))

  test(`${method}: layers with weights`, () => {
    const { pool: _, ...strided } = layers.strided
    const still = { input: a, timeSteps: T }
    const gradients = (
      layer: 'conv2d' | 'linear',
      of: { readonly input: Shape },
      [delta, input]: readonly [Shape | undefined, object?],
      more: object = {},
    ): Call[] => [
      [`${layer}WeightGradient`, { ...of, ...read, ...more, input: back(of.input) }],
      delta !== undefined && [`${layer}BiasGradient`, { delta: back(delta) }],
      [`${layer}InputGradient`, input ?? { ...of, input: back(of.input) }],
    ]
    const ofPool = { ...strided, input: back([5, 16, 4, 4]) }
    const through = { deltas: [{ kernelSize: 2 }], ...(!rate && { affine: true }) }
    expectOps(
      [weighted, [3, 8, 8], { method, batchSize: 5 }],
      [
        ...forward(true),
        !rate && meanGradient(e),
        ...gradients('linear', layers.last, [e], { algorithm: rate ? 'direct' : 'patterns' }),
        ['lifBackward', { mode, input: back(d) }],
        ...gradients('linear', layers.flat, [d], { algorithm: rate ? 'auto' : 'patterns' }),
        ['lifBackward', { mode, input: back(c) }],
        ...gradients('conv2d', layers.grouped, [c]),
        ['lifBackward', { mode, input: back(c) }],
        ...gradients('conv2d', layers.strided, [c, ofPool]),
        ['lifBackward', { mode, input: back(b), ...through }],
        ['batchNormBackward', { input: back(b), normalised: rate }],
        ...gradients('conv2d', layers.normed, [undefined]),
        ['lifBackward', { mode, ...(rate ? { input: a } : still) }],
        !rate && ['timeSum', { input: timed(a) }],
        ['conv2dWeightGradient', layers.image],
        ['conv2dBiasGradient', { delta: a }],
        ['sgd', { shape: [12400] }],
      ],
    )
  })
}

const dense = sw.sequential(
  sw.conv2d(3, 6, 3, { padding: 1 }),
  sw.relu(),
  sw.maxPool2d(2),
  sw.dropout(0.5),
  sw.flatten(),
  sw.linear(96, classes, { standardise: true }),
)

for (const method of ['rate', 'bptt'] as const)
  test(`${method}: a network without spikes`, () => {
    const { rate, back, over, choice } = differences(method)
    const [one, pooled] = [
      [B, 6, 8, 8],
      [B, 6, 4, 4],
    ]
    const image = { input: [B, T, 3, 8, 8], weight: [6, 3, 3, 3], padding: 1, image: true }
    const window = { kernelSize: 2, choice }
    const weight = [classes, 96]
    const twice = [{ input: timed(pooled), scale: 2 }]
    withBudgets({ unitFloats: 1024 }, () =>
      expectOps(
        [dense, [3, 8, 8], { method, frames: true }],
        [
          ['conv2d', { ...image, bias: true }],
          ['relu', { input: timed(one), outputs: rate ? ['output', 'counts'] : ['output'] }],
          ['maxPool2d', { ...window, input: timed(one), outputs: ['output', 'choice'] }],
          ['dropout', { input: timed(pooled) }],
          ['weightStandardise', { weight, gain: true, pixels: 16 }],
          ['add', { terms: twice }],
          ['linear', { weight, input: timed(pooled), bias: true }],
          ['crossEntropy', { input: timed([B, classes]), over }],
          !rate && meanGradient([B, classes]),
          ['add', { terms: twice, mean: rate }],
          ['linearWeightGradient', { weight, input: back(pooled) }],
          ['linearBiasGradient', { delta: back([B, classes]) }],
          ['weightStandardiseGradient', { weight, gain: true, pixels: 16 }],
          ['linearInputGradient', { weight, input: back(pooled) }],
          ['gradientSum', { input: back(pooled), terms: [{ scale: 2 }] }],
          ['dropoutBackward', { input: back(pooled) }],
          ['maxPool2dBackward', { ...window, input: back(one) }],
          ['reluBackward', { input: back(one), ...(rate && { counts: true, timeSteps: T }) }],
          ['conv2dWeightGradient', { ...image, mean: rate }],
          ['conv2dBiasGradient', { delta: back(one) }],
          ['sgd', { shape: [2336] }],
        ],
      ),
    )
  })

/** Two currents of neurons, spikes of two layers, hard resets, and statistics of each step. */
const joined = (learnable: boolean) =>
  sw.sequential(
    sw.conv2d(3, 8, 3, { padding: 1 }),
    sw.batchNorm2d(8),
    (learnable ? sw.plif : sw.lif)({ vReset: 0, detachReset: false }),
    sw.residual(
      sw.sequential(sw.conv2d(8, 8, 3, { padding: 1, bias: false }), sw.batchNorm2d(8)),
      sw.sequential(sw.conv2d(8, 8, 1, { bias: false }), sw.batchNorm2d(8)),
    ),
    sw.lif({ tau: 3, decayInput: true, surrogate: 'erf' }),
    sw.residual(sw.sequential(sw.conv2d(8, 8, 3, { padding: 1 }), sw.lif())),
    sw.conv2d(8, 12, 3, { padding: 1, stride: 2 }),
    sw.integrateAndFire(),
    sw.flatten(),
    sw.linear(192, classes),
  )

for (const method of ['rate', 'bptt'] as const)
  test(`${method}: residual blocks`, () => {
    const { mode, rate, back, read, over, outputs } = differences(method)
    const stepMode = rate ? 'm' : 's'
    const affine = rate ? true : 'steps'
    const input = timed([B, 8, 8, 8])
    const wide = back([B, 8, 8, 8])
    const half = back([B, 12, 4, 4])
    const image = { input: [B, T, 3, 8, 8], weight: [8, 3, 3, 3], padding: 1, image: true }
    const conv = { weight: [8, 8, 3, 3], padding: 1 }
    const thin = { weight: [8, 8, 1, 1] }
    const strided = { weight: [12, 8, 3, 3], padding: 1, stride: 2 }
    const weight = [classes, 192]
    const spikes = { input, spikes: true, training: true }
    const norm = { input, stepMode, outputs: ['mean', 'invStd'] }
    const normBack = { input: wide, stepMode, normalised: rate }
    const hard = { vReset: 0, detachReset: false, learnable: !rate, affine, input }
    const pair = { tau: 3, decayInput: true, surrogate: 'erf', affine, residual: { affine }, input }
    const gradients = (of: object, delta = false): Call[] => [
      ['conv2dWeightGradient', { ...of, ...read, input: wide }],
      delta && ['conv2dBiasGradient', { delta: wide }],
      ['conv2dInputGradient', { ...of, input: wide }],
    ]
    expectOps(
      [joined(!rate), [3, 8, 8], { method, stepMode, frames: true }],
      [
        ['conv2d', { ...image, bias: true }],
        ['batchNorm', norm],
        ['lif', { ...hard, outputs: rate ? [...outputs, 'xhat'] : outputs }],
        ['conv2d', { ...conv, ...spikes, moments: rate }],
        ['batchNorm', { ...norm, ...(rate && { moments: [8, 4, 8] }) }],
        ['conv2d', { ...thin, ...spikes }],
        ['batchNorm', norm],
        ['lif', { ...pair, outputs: rate ? [...outputs, 'xhat', 'residualXhat'] : outputs }],
        ['conv2d', { ...conv, ...spikes, bias: true }],
        ['lif', { input, outputs }],
        ['conv2d', { ...strided, ...spikes, sources: 2, bias: true }],
        ['lif', { tau: Infinity, input: timed([B, 12, 4, 4]), outputs }],
        ['linear', { ...spikes, weight, input: timed([B, 12, 4, 4]), bias: true }],
        ['crossEntropy', { input: timed([B, classes]), over }],
        !rate && meanGradient([B, classes]),
        ['linearWeightGradient', { ...read, weight, input: half }],
        ['linearBiasGradient', { delta: back([B, classes]) }],
        ['linearInputGradient', { weight, input: half }],
        ['lifBackward', { mode, tau: Infinity, input: half }],
        ['conv2dWeightGradient', { ...strided, ...read, input: wide, sources: 2 }],
        ['conv2dBiasGradient', { delta: half }],
        ['conv2dInputGradient', { ...strided, input: wide }],
        ['lifBackward', { mode, input: wide }],
        ...gradients(conv, true),
        ['lifBackward', { ...(!rate && pair), mode, input: wide, deltas: [{}, {}] }],
        ['batchNormBackward', normBack],
        ...gradients(thin),
        ['batchNormBackward', normBack],
        ...gradients(conv),
        ['lifBackward', { ...(!rate && hard), mode, input: wide, deltas: [{}, {}] }],
        ['batchNormBackward', normBack],
        ['conv2dWeightGradient', { ...image, mean: rate }],
        ['conv2dBiasGradient', { delta: wide }],
        ['sgd', { shape: [6912] }],
      ],
    )
  })

const small = sw.sequential(sw.linear(8, 12), sw.lif(), sw.linear(12, classes))
const [weight, first] = [[classes, 12], { input: [B, 8], weight: [12, 8] }]

for (const [name, make, options] of [
  ['crossEntropy', sw.crossEntropy, { labelSmoothing: 0.1, of: 'counts' }],
  ['mse', sw.mse, { correctRate: 0.75 }],
  ['mse', sw.mse, { targets: 'values', of: 'counts' }],
  ['tet', sw.tet, { lambda: 0.25 }],
] as const)
  test(`bptt: ${name} ${JSON.stringify(options)} and a penalty`, () => {
    const penalty = { weight: 0.5, target: 0.1 }
    const penalties = [{ ...sw.ratePenalty(penalty), layers: ['1'] }]
    const loss = (make as (options: object) => sw.Loss)(options)
    const [still, input] = [{ input: [B, 12], timeSteps: T }, timed([B, 12])]
    expectOps(
      [small, [8], { method: 'bptt', training: { ...standardTraining, loss, penalties } as never }],
      [
        ['linear', { ...first, bias: true }],
        ['lif', { ...still, outputs: ['spikes', 'counts'] }],
        ['linear', { weight, input, spikes: true, training: true, bias: true }],
        [name, { ...options, input: timed([B, classes]) }],
        name !== 'tet' && meanGradient([B, classes]),
        ['linearWeightGradient', { weight, input, spikes: true, algorithm: 'direct' }],
        ['linearBiasGradient', { delta: timed([B, classes]) }],
        ['linearInputGradient', { weight, input }],
        ['ratePenalty', { ...still, ...penalty }],
        ['lifBackward', { ...still, mode: 'time', deltas: [{}, { still: true, scale: 1 / T }] }],
        ['timeSum', { input }],
        ['linearWeightGradient', first],
        ['linearBiasGradient', { delta: [B, 12] }],
        ['sgd', { shape: [512] }],
      ],
    )
  })

test('ottt: calls that go on from one another', () => {
  const input = timed([B, 12])
  const accumulate = true
  const end = timed([B, classes])
  const kept = ['spikes', 'counts', 'surrogates', 'potential']
  expectOps(
    [small, [8], { method: 'ottt', stepMode: 's', timeSteps: 2 * T }],
    [
      ['clear', { shape: [544] }],
      ['linear', { ...first, bias: true }],
      ['lif', { input: [B, 12], timeSteps: T, totalSteps: 8, outputs: kept }],
      ['linear', { weight, input, spikes: true, training: true, bias: true }],
      ['traceGradient', { input: end, outputs: ['inputGradient', 'before'] }],
      ['linearWeightGradient', { weight, input, accumulate, spikes: true, algorithm: 'direct' }],
      ['linearWeightGradient', { weight, input: [B, 12], accumulate }],
      ['trace', { input, spikes: true }],
      ['linearBiasGradient', { delta: end, accumulate }],
      ['linearInputGradient', { weight, input }],
      ['lifBackward', { mode: 'online', input }],
      ['timeSum', { input }],
      ['linearWeightGradient', { ...first, accumulate }],
      ['linearBiasGradient', { delta: [B, 12], accumulate }],
      ['sgd', { shape: [512] }],
    ],
    // Their part of the loss no op has.
    { without: 'Output CrossEntropy' },
  )
})

test('weights of one byte', () => {
  const fixed = { method: 'rate', fixed: true, weights: 'int8', purpose: 'inference' } as const
  const bytes = { spikes: true, weightType: 'int8', bias: true }
  expectOps(
    [small, [8], fixed],
    [
      ['linear', { ...first, bias: true }],
      ['lif', { input: [B, 12], timeSteps: T, outputs: ['spikes'] }],
      ['linear', { ...bytes, weight, input: timed([B, 12]) }],
      ['timeMean', { input: timed([B, classes]) }],
    ],
    { program: 'evaluate' },
  )
})

test.run()
