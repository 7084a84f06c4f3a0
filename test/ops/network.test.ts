/** A whole network from ops: outputs and gradients have the bits of a model. */
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import {
  avgPool2d,
  batchNorm2d,
  conv2d,
  flatten,
  lif,
  linear,
  type Method,
  maxPool2d,
  type StateDict,
  sequential,
} from '../../src/index.js'
import * as typed from '../../src/ops/index.js'
import { expectSameBits, randomShapes } from '../support/ops.js'

/** Ops whose options follow from the method. */
type Result = Float32Array & Readonly<Record<string, Float32Array>>
const ops = typed as unknown as Readonly<
  Record<string, (options: object, ...given: readonly unknown[]) => Result>
>

const [T, B, classes] = [4, 8, 10]
const labels = Int32Array.from({ length: B }, (_, i) => (3 * i) % classes)

const arraysOf = (dict: StateDict): Record<string, Float32Array> =>
  Object.fromEntries(Object.entries(dict).map(([name, { data }]) => [name, data.slice()]))

/** A step of a model: its parameters, gradients, and what the step changes. */
async function stepOf(method: Method, x: Float32Array) {
  const net = sequential(
    conv2d(1, 16, 3, { padding: 1, bias: false }),
    batchNorm2d(16),
    lif(),
    avgPool2d(2),
    conv2d(16, 32, 3, { padding: 1, bias: false }),
    batchNorm2d(32),
    lif(),
    maxPool2d(2),
    flatten(),
    linear(128, classes),
  )
  const shared = { input: [1, 8, 8], timeSteps: T, batchSize: B, seed: 3 } as const
  const model = await net.compile({ ...shared, method })
  try {
    // Normalisations start with weight 1 and bias 0: other numbers say more.
    const random = randomShapes(5)
    const state = model.stateDict()
    for (const [name, { data: values, shape }] of Object.entries(state))
      if (shape.length === 1 && !name.includes('running'))
        for (let i = 0; i < values.length; i++) values[i] += random.floats(1, 0.5)[0] + 0.3
    model.loadStateDict(state)
    const before = arraysOf(model.stateDict())
    const { loss } = await model.trainStep(x, labels, { update: false })
    const [gradients, after] = [arraysOf(model.gradients()), arraysOf(model.stateDict())]
    return { state: before, gradients, after, output: model.output().slice(), loss }
  } finally {
    await model.dispose()
  }
}

for (const method of ['rate', 'bptt'] as const)
  test(`convolutions, normalisation, both poolings: ${method}`, async () => {
    const x = randomShapes(2).floats(B * 64, 2)
    const { state, after, gradients, output, loss } = await stepOf(method, x)
    const rate = method === 'rate'
    const same = (name: string, values: unknown): void =>
      expectSameBits(name, values, gradients[name])

    /** Shapes of gradients: in the rate method they have lost their time axis. */
    const back = ([b, ...shape]: readonly number[]) => (rate ? [b, ...shape] : [b, T, ...shape])
    const first = { input: [B, 1, 8, 8], weight: [16, 1, 3, 3], padding: 1 }
    const second = { weight: [32, 16, 3, 3], padding: 1 }
    const pool = { kernelSize: 2 }
    const [still1, still2, timed2] = [
      [B, 16, 8, 8],
      [B, 32, 4, 4],
      [B, T, 32, 4, 4],
    ]
    const outputs = ['scale', 'shift', 'mean', 'invStd']
    const wanted = ['spikes', 'counts', 'rates', 'eligibilities', 'xhat']
    /** A normalisation and its neurons; statistics move as those of the model. */
    const fire = (layer: number, input: object, norm: object, current: Result, sums: Result[]) => {
      const of = (role: string): Float32Array => state[`${layer}.${role}`]
      const running = ['running_mean', 'running_var'].map((role) => of(role).slice())
      const given = [...running, of('weight'), of('bias'), ...sums]
      const n = ops.batchNorm({ ...input, ...norm, outputs }, current, ...given)
      expectSameBits('mean', running[0], after[`${layer}.running_mean`])
      expectSameBits('variance', running[1], after[`${layer}.running_var`])
      const maps = [n.scale, n.shift, n.mean, n.invStd]
      const asked = { ...input, affine: true, outputs: wanted }
      return Object.assign(ops.lif(asked, current, ...maps), { n })
    }

    const current1 = ops.conv2d(first, x, state['0.weight'])
    const a = fire(1, { input: still1, timeSteps: T }, {}, current1, [])
    const spiking = { input: [B, T, 16, 8, 8], ...second, pool, spikes: true }
    const conv = typed.conv2d.plan({ ...spiking, moments: true })
    const { output: current2, moments } = conv.run(a.spikes as never, state['4.weight'])
    const sums = { moments: conv.tensors.moments.shape }
    const c = fire(5, { input: timed2 }, sums, current2 as Result, [moments as Result])
    assert.ok(c.rates.some((r) => r > 0 && r < 1))
    const window = { ...pool, choice: rate ? 'rate' : 'step' }
    const all = { spikes: true, outputs: ['output', 'choice', 'counts'] }
    const max = ops.maxPool2d({ ...window, ...all, input: timed2 }, c.spikes)
    const flat = { input: [B, T, 32, 2, 2], weight: [classes, 128], spikes: true }
    const ends = { input: [B, T, classes] }
    const [weight9, bias9] = [state['9.weight'], state['9.bias']]
    const logits = ops.linear({ ...flat, bias: true }, max.output, weight9, bias9)
    const over = rate ? 'imagesAndSteps' : 'images'
    const end = ops.crossEntropy({ ...ends, over }, logits, labels)
    expectSameBits('output', ops.timeMean(ends, logits).output, output)
    assert.is(end.loss[0], loss)

    // Back. Through time the gradient of the mean goes to each step, divided by T.
    const terms = [{ still: true, scale: 1 / T }]
    const ofLogits = rate ? end.gradient : ops.gradientSum({ ...ends, terms }, end.gradient)
    const read = rate ? { spikes: false, counts: true, timeSteps: T } : { spikes: true }
    const back9 = { ...flat, ...read, input: back([B, 32, 2, 2]) }
    same('9.bias', ops.linearBiasGradient({ delta: back([B, classes]) }, ofLogits))
    same('9.weight', ops.linearWeightGradient(back9, rate ? max.counts : max.output, ofLogits))
    const { weight, input } = back9
    const ofMax = ops.linearInputGradient({ weight, input }, weight9, ofLogits)
    const ofSpikes2 = ops.maxPool2dBackward({ ...window, input: back(still2) }, ofMax, max.choice)
    const time = { mode: 'time', affine: true }
    const delta2 = rate
      ? ops.lifBackward({ mode: 'rate', input: still2 }, ofSpikes2, c.eligibilities)
      : ops.lifBackward({ ...time, input: timed2 }, ofSpikes2, current2, c.n.scale, c.n.shift)
    /** Back through a normalisation: from x̂ in the rate method, else from its input. */
    const normBack = (
      layer: number,
      shape: object,
      delta: Result,
      of: Result,
      neurons: typeof a,
    ) => {
      const { mean, invStd } = neurons.n
      const given = rate ? [neurons.xhat, invStd] : [of, mean, invStd]
      const options = { input: shape, normalised: rate }
      const found = ops.batchNormBackward(options, delta, ...given, state[`${layer}.weight`])
      same(`${layer}.weight`, found.weightGradient)
      same(`${layer}.bias`, found.biasGradient)
      return found.inputGradient
    }
    const d2 = normBack(5, back(still2), delta2, current2 as Result, c)
    const back4 = { ...second, ...read, pool, input: back(still1) }
    same('4.weight', ops.conv2dWeightGradient(back4, rate ? a.counts : a.spikes, d2))
    const through = { ...second, input: back([B, 16, 4, 4]) }
    const ofPooled = ops.conv2dInputGradient(through, state['4.weight'], d2)
    const neurons = { input: still1, deltas: [pool] }
    const delta1 = rate
      ? ops.lifBackward({ ...neurons, mode: 'rate' }, ofPooled, a.eligibilities)
      : ops.timeSum(
          { input: [B, T, 16, 8, 8] },
          ops.lifBackward(
            { ...neurons, ...time, timeSteps: T },
            ofPooled,
            current1,
            a.n.scale,
            a.n.shift,
          ),
        )
    same('0.weight', ops.conv2dWeightGradient(first, x, normBack(1, still1, delta1, current1, a)))
  })

test.run()
