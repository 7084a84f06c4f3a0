/** Whole networks from ops: outputs and gradients have the bits of a model. */
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
  sequential,
} from '../../src/index.js'
import * as ops from '../../src/ops/index.js'
import { expectSameBits, randomShapes } from '../support/ops.js'

const [T, B, classes] = [4, 8, 10]
const labels = Int32Array.from({ length: B }, (_, i) => (3 * i) % classes)

interface Step {
  readonly state: Record<string, Float32Array>
  readonly gradients: Record<string, Float32Array>
  readonly after: Record<string, Float32Array>
  readonly output: Float32Array
  readonly loss: number
}

/** A step of a model: its parameters, gradients, and what the step changes. */
async function stepOf(
  layers: Parameters<typeof sequential>,
  input: readonly [number, number, number],
  method: Method,
  x: Float32Array,
): Promise<Step> {
  const model = await sequential(...layers).compile({
    input,
    timeSteps: T,
    batchSize: B,
    method,
    seed: 3,
  })
  const data = (dict: Record<string, { data: Float32Array }>): Record<string, Float32Array> =>
    Object.fromEntries(Object.entries(dict).map(([name, value]) => [name, value.data.slice()]))
  try {
    // Normalisations start with weight 1 and bias 0: other numbers say more.
    const random = randomShapes(5)
    const state = model.stateDict()
    for (const [name, { data: values, shape }] of Object.entries(state))
      if (shape.length === 1 && !name.includes('running'))
        for (let i = 0; i < values.length; i++) values[i] += random.floats(1, 0.5)[0] + 0.3
    model.loadStateDict(state)
    const before = data(model.stateDict())
    const { loss } = await model.trainStep(x, labels, { update: false })
    return {
      state: before,
      gradients: data(model.gradients()),
      after: data(model.stateDict()),
      output: model.output().slice(),
      loss,
    }
  } finally {
    await model.dispose()
  }
}

test('linear, lif, linear: the gradients of the rate method', async () => {
  const x = randomShapes(1).floats(B * 64, 2)
  const step = await stepOf(
    [flatten(), linear(64, 40), lif(), linear(40, classes)],
    [1, 8, 8],
    'rate',
    x,
  )
  const { state } = step
  const [shape1, shape2] = [
    { input: [B, 64], weight: [40, 64] },
    { input: [B, 40], weight: [classes, 40] },
  ]
  const current = ops.linear({ ...shape1, bias: true }, x, state['1.weight'], state['1.bias'])
  const neurons = ops.lif({ input: [B, 40], timeSteps: T }, current)
  const logits = ops.linear(
    { ...shape2, input: [B, T, 40], spikes: true, bias: true },
    neurons.spikes,
    state['3.weight'],
    state['3.bias'],
  )
  const end = ops.crossEntropy({ input: [B, T, classes], over: 'imagesAndSteps' }, logits, labels)
  const { output } = ops.timeMean({ input: [B, T, classes] }, logits)
  expectSameBits('output', output, step.output)
  assert.is(end.loss[0], step.loss)
  const weight2 = ops.linearWeightGradient(shape2, neurons.rates, end.gradient)
  expectSameBits('3.weight', weight2, step.gradients['3.weight'])
  expectSameBits(
    '3.bias',
    ops.linearBiasGradient({ delta: [B, classes] }, end.gradient),
    step.gradients['3.bias'],
  )
  const ofRates = ops.linearInputGradient(shape2, state['3.weight'], end.gradient)
  const delta = ops.lifBackward({ mode: 'rate', input: [B, 40] }, ofRates, neurons.eligibilities)
  expectSameBits('1.weight', ops.linearWeightGradient(shape1, x, delta), step.gradients['1.weight'])
  expectSameBits(
    '1.bias',
    ops.linearBiasGradient({ delta: [B, 40] }, delta),
    step.gradients['1.bias'],
  )
})

const layers = [
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
] as const

for (const method of ['rate', 'bptt'] as const)
  test(`convolutions, normalisation, both poolings: ${method}`, async () => {
    const x = randomShapes(2).floats(B * 64, 2)
    const step = await stepOf([...layers], [1, 8, 8], method, x)
    const { state, after, gradients } = step
    const rate = method === 'rate'
    const first = { input: [B, 1, 8, 8], weight: [16, 1, 3, 3], padding: 1 } as const
    const second = {
      input: [B, T, 16, 8, 8],
      weight: [32, 16, 3, 3],
      padding: 1,
      pool: { kernelSize: 2 },
    } as const
    const [still1, still2] = [
      [B, 16, 8, 8],
      [B, 32, 4, 4],
    ] as const
    const timed2 = [B, T, 32, 4, 4] as const
    const flat = { input: [B, T, 32, 2, 2], weight: [classes, 128] } as const

    const current1 = ops.conv2d(first, x, state['0.weight'])
    const running = (layer: number): [Float32Array, Float32Array] => [
      state[`${layer}.running_mean`].slice(),
      state[`${layer}.running_var`].slice(),
    ]
    const outputs = ['scale', 'shift', 'mean', 'invStd'] as const
    const running1 = running(1)
    const norm1 = ops.batchNorm(
      { input: still1, timeSteps: T, outputs },
      current1,
      ...running1,
      state['1.weight'],
      state['1.bias'],
    )
    expectSameBits('1.running_mean', running1[0], after['1.running_mean'])
    expectSameBits('1.running_var', running1[1], after['1.running_var'])
    const wanted = ['spikes', 'counts', 'rates', 'eligibilities', 'xhat'] as const
    const neurons1 = ops.lif(
      { input: still1, timeSteps: T, affine: true, outputs: wanted },
      current1,
      norm1.scale,
      norm1.shift,
      norm1.mean,
      norm1.invStd,
    )
    const conv2 = ops.conv2d.plan({ ...second, spikes: true, moments: true })
    const { output: current2, moments } = conv2.run(neurons1.spikes, state['4.weight'])
    const running2 = running(5)
    const norm2 = ops.batchNorm(
      { input: timed2, moments: conv2.tensors.moments.shape, outputs },
      current2,
      ...running2,
      state['5.weight'],
      state['5.bias'],
      moments,
    )
    expectSameBits('5.running_var', running2[1], after['5.running_var'])
    const neurons2 = ops.lif(
      { input: timed2, affine: true, outputs: wanted },
      current2,
      norm2.scale,
      norm2.shift,
      norm2.mean,
      norm2.invStd,
    )
    assert.ok(neurons2.rates.some((r) => r > 0 && r < 1))
    const window = { input: timed2, kernelSize: 2 } as const
    const max = ops.maxPool2d(
      {
        ...window,
        spikes: true,
        choice: rate ? 'rate' : 'step',
        outputs: ['output', 'choice', 'counts'],
      },
      neurons2.spikes,
    )
    const maxSpikes = max.output as Uint8Array
    const logits = ops.linear(
      { ...flat, spikes: true, bias: true },
      maxSpikes,
      state['9.weight'],
      state['9.bias'],
    )
    const end = ops.crossEntropy(
      { input: [B, T, classes], over: rate ? 'imagesAndSteps' : 'images' },
      logits,
      labels,
    )
    const { output } = ops.timeMean({ input: [B, T, classes] }, logits)
    expectSameBits('output', output, step.output)
    assert.is(end.loss[0], step.loss)

    // Back. In the rate method tensors have lost their time axis. Through time the gradient of the
    // mean goes to each step, divided by T.
    const time = rate ? [] : [T]
    const ofLogits = rate
      ? end.gradient
      : ops.gradientSum(
          { input: [B, T, classes], terms: [{ still: true, scale: 1 / T }] },
          end.gradient,
        )
    const same = (name: string, values: unknown): void =>
      expectSameBits(name, values, gradients[name])
    same('9.bias', ops.linearBiasGradient({ delta: [B, ...time, classes] }, ofLogits))
    same(
      '9.weight',
      rate
        ? ops.linearWeightGradient(
            { ...flat, input: [B, 32, 2, 2], counts: true, timeSteps: T },
            max.counts,
            ofLogits,
          )
        : ops.linearWeightGradient({ ...flat, spikes: true }, maxSpikes, ofLogits),
    )
    const ofMax = ops.linearInputGradient(
      { ...flat, input: [B, ...time, 32, 2, 2] },
      state['9.weight'],
      ofLogits,
    )
    const ofSpikes2 = ops.maxPool2dBackward(
      { input: rate ? still2 : timed2, kernelSize: 2, choice: rate ? 'rate' : 'step' },
      ofMax,
      max.choice,
    )
    const delta2 = rate
      ? ops.lifBackward({ mode: 'rate', input: still2 }, ofSpikes2, neurons2.eligibilities)
      : ops.lifBackward(
          { mode: 'time', input: timed2, affine: true },
          ofSpikes2,
          current2,
          norm2.scale,
          norm2.shift,
        )
    const back2 = rate
      ? ops.batchNormBackward(
          { input: still2, normalised: true },
          delta2,
          neurons2.xhat,
          norm2.invStd,
          state['5.weight'],
        )
      : ops.batchNormBackward(
          { input: timed2 },
          delta2,
          current2,
          norm2.mean,
          norm2.invStd,
          state['5.weight'],
        )
    same('5.weight', back2.weightGradient)
    same('5.bias', back2.biasGradient)
    same(
      '4.weight',
      rate
        ? ops.conv2dWeightGradient(
            { ...second, input: still1, counts: true, timeSteps: T },
            neurons1.counts,
            back2.inputGradient,
          )
        : ops.conv2dWeightGradient(
            { ...second, spikes: true },
            neurons1.spikes,
            back2.inputGradient,
          ),
    )
    const ofPooled = ops.conv2dInputGradient(
      { input: [B, ...time, 16, 4, 4], weight: second.weight, padding: 1 },
      state['4.weight'],
      back2.inputGradient,
    )
    const pooled = [{ kernelSize: 2 }] as const
    const delta1 = rate
      ? ops.lifBackward(
          { mode: 'rate', input: still1, deltas: pooled },
          ofPooled,
          neurons1.eligibilities,
        )
      : ops.timeSum(
          { input: [B, T, 16, 8, 8] },
          ops.lifBackward(
            { mode: 'time', input: still1, timeSteps: T, affine: true, deltas: pooled },
            ofPooled,
            current1,
            norm1.scale,
            norm1.shift,
          ),
        )
    const weight1 = state['1.weight']
    const { mean, invStd } = norm1
    const back1 = rate
      ? ops.batchNormBackward(
          { input: still1, normalised: true },
          delta1,
          neurons1.xhat,
          invStd,
          weight1,
        )
      : ops.batchNormBackward({ input: still1 }, delta1, current1, mean, invStd, weight1)
    same('1.weight', back1.weightGradient)
    same('1.bias', back1.biasGradient)
    same('0.weight', ops.conv2dWeightGradient(first, x, back1.inputGradient))
  })

test.run()
