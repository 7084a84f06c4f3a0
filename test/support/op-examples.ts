/** Plans of ops that together reach every kernel, and runs of any plan on random numbers. */
import { alif, recurrent, rmsprop } from '../../src/index.js'
import * as ops from '../../src/ops/index.js'
import { type RandomShapes, randomShapes } from './ops.js'

export type AnyPlan = ops.PlanInfo & {
  run(...given: readonly unknown[]): unknown
  dispose(): Promise<void> | void
}
export interface AnyOp {
  readonly opName: string
  plan(options: object): AnyPlan
}
export const anyOp = ops as unknown as Readonly<Record<string, AnyOp>>

const image = [2, 3, 5, 4, 4]
const still = [3, 5, 4, 4]
const cell = recurrent(alif({ learn: ['tau'] }))
const text = 'tau > 1; u = u - u/tau + x; spike = u > 1; u = u - spike'
const neuron = { input: image, text, parameters: { tau: 2 }, learn: ['tau'] }
const b = { parameters: { b: [1, 2, 3, 4, 5] }, learn: ['b'] }
const swish = { input: image, text: 'x * sigmoid(b*x)', ...b }

const input = [2, 3, 5, 6, 6]
const windows = { input, kernelSize: 2 }
const logits = [2, 3, 5]
const shape = [5, 4]

const conv = { input: [2, 5, 8, 8, 8], weight: [8, 8, 3, 3], padding: 1 }
const rate = { ...conv, input: [2, 8, 8, 8] }
const wide = { input: [2, 4, 64, 8, 8], weight: [64, 64, 3, 3], padding: 1 }
const grouped = { ...wide, weight: [64, 16, 3, 3], groups: 4 }
const few = { input: [2, 3, 8, 8], weight: [8, 3, 3, 3], padding: 1 }
const many = { ...wide, input: [4, 64, 16, 16] }
const dense = { input: [2, 4, 12], weight: [10, 12] }

/** An op, and what is special about it; its options. */
const rows: readonly (readonly [name: string, options: object])[] = [
  ['lif', { input: image }],
  ['stabilizedLif', { input: still }],
  ['lifBackward, rate', { input: still, mode: 'rate' }],
  ['lifBackward, online', { input: image, mode: 'online' }],
  ['lifBackward, time', { input: image, mode: 'time' }],
  ['cell', { input: image, cell }],
  ['cellBackward', { input: image, cell }],
  ['neuron', neuron],
  ['neuronBackward', neuron],
  ['elementwise', swish],
  ['elementwiseBackward', swish],
  ['timeSum', { input: image }],
  ['trace', { input: image }],
  ['traceGradient', { input: image }],
  ['dropout of spikes', { input: image, spikes: true }],
  ['dropout of floats', { input: image }],
  ['dropoutBackward', { input: image }],
  ['relu', { input: image }],
  ['reluBackward', { input: image }],
  ['batchNorm', { input }],
  ['batchNorm, running', { input, training: false }],
  ['batchNormBackward', { input }],
  ['batchNormAllTime', { input }],
  ['maxPool2d of spikes', { ...windows, spikes: true }],
  ['maxPool2d of floats', { ...windows, outputs: ['output', 'choice'] }],
  ['maxPool2dBackward', windows],
  ['add', { terms: [{ input }, { input, spikes: true }] }],
  ['avgPool2d', windows],
  ['avgPool2dBackward', windows],
  ['gradientSum', { input, terms: [{}, {}] }],
  ['matmul NN', { a: [3, 3], b: [3, 3], transpose: 'NN' }],
  ['matmul NT', { a: [3, 3], b: [3, 3], transpose: 'NT' }],
  ['matmul TN', { a: [3, 3], b: [3, 3], transpose: 'TN' }],
  ['timeMean', { input: logits }],
  ['crossEntropy', { input: logits }],
  ['mse', { input: logits }],
  ['tet', { input: logits }],
  ['selfDistillation', { input: logits }],
  ['ratePenalty', { input: [2, 5], timeSteps: 3, weight: 1 }],
  ['sgd', { shape }],
  ['adam', { shape }],
  ['adam, decoupled', { shape: [20], decoupled: true, step: 3 }],
  ['update', { shape, optimizer: rmsprop() }],
  ['clipNorm', { shape }],
  ['ema', { shape }],
  ['clear', { shape }],
  ['sum', { shape: [5] }],
  ['scale', { input, factor: [1, 2, 3, 4, 5] }],
  ['adaptiveAvgPool2d', { input, outputSize: [4, 5] }],
  ['upsample', { input, scale: 1.5 }],
  ['upsampleBackward', { input, size: 4, mode: 'bilinear' }],
  ['adaptiveAvgPool2dBackward', { input, outputSize: [4, 5] }],
  ['groupNorm', { input, groups: 5 }],
  ['groupNormBackward', { input, groups: 1 }],
  ['delay', { input, steps: 1 }],
  ['delay of spikes', { input, steps: 1, spikes: true }],
  ['delayBackward', { input, steps: [0, 1, 2, 1, 0] }],
  ['placeWeights', { weight: [5, 3, 2], taps: 4 }],
  ['placeWeightsBackward', { weight: [5, 3, 1], taps: 4, gauss: true }],
  ['concat', { inputs: [input, input] }],
  ['concat of spikes', { inputs: [input, input], spikes: true }],
  ['split', { inputs: [input, input] }],
  ['mul', { a: input, b: [2, 5, 1, 1] }],
  ['mul, sums', { a: input, b: input, output: [2, 1, 6, 6] }],
  ['bmm', { a: [2, 3, 4, 1, 5], b: [2, 4, 1, 5], transposeB: true, heads: 2, sum: true }],
  ['softmax', { input }],
  ['slice', { input, from: 1 }],
  ['slice of spikes', { input, from: 1, spikes: true }],
  ['sliceBackward', { input, from: 1 }],
  ['conv2d of few channels', { ...few, algorithm: 'narrow' }],
  ['conv2d of floats', { ...conv, algorithm: 'direct' }],
  ['conv2d by rows', { ...conv, input: [16, 4, 8, 32, 32], spikes: true, algorithm: 'rows' }],
  ['conv2d by lists', { ...conv, spikes: true, algorithm: 'lists' }],
  ['conv2d of a sum', { ...conv, spikes: true, sources: 2, algorithm: 'lists' }],
  ['conv2d of bytes', { ...conv, spikes: true, weightType: 'int8' }],
  ['conv2d of six bits', { ...conv, spikes: true, weightType: 'int6' }],
  ['quantiseWeight', { weight: [5, 3, 3, 2] }],
  ['quantiseWeight to six bits', { weight: [5, 3, 3, 2], weightType: 'int6' }],
  ['dequantiseWeight', { weight: [5, 3, 3, 2] }],
  ['conv2d in groups', { ...grouped, algorithm: 'grouped' }],
  ['conv2d in groups of spikes', { ...grouped, spikes: true, algorithm: 'grouped' }],
  ['conv2d in groups as one', { ...grouped, spikes: true, algorithm: 'dense' }],
  ['conv2dInputGradient direct', { ...conv, algorithm: 'direct' }],
  ['conv2dInputGradient winograd', { ...rate, algorithm: 'winograd' }],
  ['conv2dInputGradient winograd, wide', { ...many, algorithm: 'winograd' }],
  ['conv2dInputGradient winograd stride', { ...wide, stride: 2, algorithm: 'winograd stride' }],
  ['conv2dInputGradient in groups', { ...grouped, algorithm: 'grouped' }],
  ['conv2dWeightGradient direct', { ...conv, algorithm: 'direct' }],
  ['conv2dWeightGradient winograd', { ...rate, algorithm: 'winograd' }],
  ['conv2dWeightGradient of few channels', { ...few, algorithm: 'narrow' }],
  ['conv2dWeightGradient by lists', { ...rate, counts: true, timeSteps: 5, algorithm: 'lists' }],
  ['conv2dWeightGradient by patterns', { ...conv, spikes: true, algorithm: 'patterns' }],
  [
    'conv2dWeightGradient by the number of spikes',
    { ...wide, input: [16, 64, 8, 8], counts: true, timeSteps: 4 },
  ],
  ['conv2dWeightGradient in groups', { ...grouped, algorithm: 'grouped' }],
  ['conv2dWeightGradient in groups as one', { ...grouped, algorithm: 'dense' }],
  ['conv2dBiasGradient', { delta: conv.input }],
  ['linear', dense],
  ['linearInputGradient', dense],
  ['linearWeightGradient', dense],
  ['linearBiasGradient', { delta: [2, 10] }],
  ['weightStandardise', { weight: [8, 8, 3, 3] }],
  ['weightStandardiseGradient', { weight: [8, 8, 3, 3] }],
]

export const examples = rows.map(([name, options]) => {
  const op = anyOp[name.split(/[ ,]/)[0]]
  return { name, op, options, plan: () => op.plan(options) }
})

/** Numbers that any tensor of an op may hold. */
function valuesOf(r: RandomShapes, { name, type, shape }: ops.TensorInfo): ops.Values {
  const count = shape.reduce((a, b) => a * b, 1)
  if (name === 'nonFinite') return new Int32Array(count)
  if (type === 'uint8') return r.spikes(count)
  // Six bits have room for these too.
  if (type === 'int8') return Int8Array.from({ length: count }, () => r.int(-31, 31))
  if (type === 'int32') return Int32Array.from({ length: count }, () => r.int(0, 2))
  const floats = r.floats(count, 2)
  return /var|invStd/i.test(name) ? floats.map((v) => Math.abs(v) + 0.1) : floats
}

/** Fills all tensors, results too, on which a run must not depend; gives the result. */
export function runOn(plan: AnyPlan, seed: number): unknown {
  const r = randomShapes(seed)
  for (const tensor of Object.values(plan.tensors)) plan.write(tensor.name, valuesOf(r, tensor))
  const result = plan.run()
  return result instanceof Promise ? result.then(structuredClone) : structuredClone(result)
}
