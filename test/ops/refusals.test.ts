/** What ops refuse by name, but for single options, of which options.txt has every message. */
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import * as ops from '../../src/ops/index.js'

type Options = Readonly<Record<string, unknown>>
interface Op {
  plan(options?: Options): { run(...given: readonly unknown[]): unknown }
}
const all = ops as unknown as Readonly<Record<string, Op>>

const image = [2, 3, 4, 4]
const timed = (T: number): number[] => image.toSpliced(1, 0, T)
const conv = { input: [2, 1, 4, 6, 6], weight: [8, 4, 3, 3], spikes: true }
const bytes = { ...conv, weightType: 'int8' }
const many = (inputs: number, size: number): Options => ({
  input: [1, 1, inputs, size, size],
  weight: [8, inputs, 1, 1],
})
const gradient = { input: [2, 4, 6, 6], weight: [8, 4, 3, 3] }
const counted = { ...gradient, counts: true, timeSteps: 4 }
const lif = { input: [2, 4, 3] }
const back = { ...lif, mode: 'time' }
const logits = { input: [2, 4, 3] }
const neuron = { input: [1, 3, 1], text: 'spike = x > 1' }

const options: Readonly<Record<string, readonly (readonly [Options | undefined, RegExp])[]>> = {
  conv2d: [
    [undefined, /^ops.conv2d's options must be an object/],
    [{ ...conv, threads: 0 }, /threads must be an integer from 1/],
    [{ ...conv, inptu: 1 }, /inptu is not an option/],
    [{ ...conv, input: [1, 256, 4, 6, 6] }, /256 time steps, at most 255/],
    [
      { ...conv, input: [2, 1, 4, 5, 5], weightType: 'int8', moments: true },
      /'bytes' writes none; leave moments/,
    ],
    [
      { ...bytes, groups: 2, weight: [8, 2, 3, 3] },
      /'int8' is not made for this convolution: it has groups; leave it out/,
    ],
    [{ ...bytes, dilation: 2 }, /this convolution: it has a dilation; leave it out/],
    [{ ...bytes, ...many(65536, 1) }, /an output has 65536 inputs as stored, of at most 65534;/],
    [{ ...bytes, ...many(60000, 17), pool: { kernelSize: 17 } }, /sums \d+ neurons, of at most/],
    [{ ...conv, image: true }, /image is of inputs of floats/],
    [{ ...conv, pool: { kernelSize: 9 } }, /pool: its kernel 9×9 is larger/],
    [{ ...conv, pool: { size: 2 } }, /pool.size is not an option/],
    [{ ...conv, pool: { kernelSize: 2, padding: 2 } }, /at most half the kernel/],
    [{ ...conv, algorithm: 'products', moments: true }, /'products' writes none/],
  ],
  conv2dWeightGradient: [
    [{ ...counted, spikes: true }, /holds spikes or counts/],
    [{ ...gradient, spikes: true, mean: true }, /mean is of inputs of floats/],
    [{ ...gradient, mean: true }, /must be a shape \[B, T, C, H, W\]/],
    [{ ...gradient, spikes: true, image: true }, /image is of inputs of floats/],
    [{ ...counted, accumulate: true, algorithm: 'lists' }, /'lists' is not made .* are: .*direct/],
  ],
  lif: [
    [{ input: [300, 3] }, /300 time steps, at most 255/],
    [{ ...lif, learnable: true, tau: Number.POSITIVE_INFINITY }, /plif\.tau must be finite/],
    [{ ...lif, residual: { afine: true } }, /ops\.lif\.residual\.afine is not an option/],
    [{ ...lif, outputs: ['residualXhat'], affine: true }, /is of what residual\.affine/],
  ],
  lifBackward: [
    [{ ...back, mode: 'online', affine: true }, /affine is an option of mode 'time'/],
    [{ ...back, mode: 'online', deltas: [{ still: true }] }, /still is of mode 'time'/],
    [{ ...back, deltas: [{ scale: '2' }] }, /deltas\[0\]\.scale must be a finite number/],
    [{ ...back, deltas: [{ pool: 2 }] }, /deltas\[0\]\.pool is not an option/],
    [{ ...back, deltas: [{ kernelSize: 1 }] }, /deltas\[0\]: windows need an image/],
    [{ ...back, input: [2, 1, 1, 2, 2], deltas: [{ kernelSize: 3 }] }, /kernel 3×3 is larger than/],
  ],
  neuron: [
    [{ ...neuron, outputs: ['values'] }, /spike = … gives spikes, got 'values'; use /],
    [{ ...neuron, text: 'output = x' }, /output = … gives values, got 'spikes'; use /],
    [
      { input: [1, 3, 3, 2, 2], text: 'spike = x > th', parameters: { th: [2, 2] } },
      /^ops.neuron: th has 2 numbers, exp/,
    ],
  ],
  crossEntropy: [
    [{ ...logits, of: 'counts', instantaneous: true }, /a loss of counts is not instantaneous/],
    [{ input: [2, 33, 3], instantaneous: true }, /at most 32 time steps, got 33/],
  ],
  mse: [[{ ...logits, targets: 'values', correctRate: 1 }, /of targets 'labels'/]],
  sgd: [[{ shape: [2], nesterov: true, momentum: 0 }, /needs a momentum > 0/]],
  maxPool2d: [
    [
      { input: [1, 1, 20, 20], kernelSize: [17, 16], outputs: ['choice'] },
      /kernelSize 17×16 has more than the 256 places/,
    ],
  ],
  add: [
    // biome-ignore lint/suspicious/noSparseArray: that is what is refused.
    [{ terms: [, { input: image }] }, /terms\[0\]'s options must be an/],
    [{ terms: [{ input: image, scales: 2 }] }, /terms\[0\].scales is not an option/],
    [{ terms: [{ input: image, affine: 'x' }] }, /affine must be one of true, false, steps/],
    [{ terms: [{ input: image, affine: true, spikes: true }] }, /one of spikes, affine and image/],
    [{ terms: [{ input: image, stride: 2 }] }, /are of windows; give kernelSize too/],
    [{ terms: [1, 1].map(() => ({ input: image, image: true })) }, /one term at most can be an/],
    [
      { terms: [{ input: image }, { input: [2, 3, 4, 5] }] },
      /one shape, got \[2, 3, 4, 4\] and \[2, 3, 4, 5\]/,
    ],
    [{ terms: [{ input: timed(3) }, { input: image, spikes: true }] }, /have the 3 time steps of/],
    [{ terms: [{ input: timed(3) }, { input: timed(2) }] }, /terms must have one shape/],
  ],
  gradientSum: [
    [{ input: image, terms: [{ still: 1 }] }, /terms\[0\].still must be true or false/],
    [{ input: image, terms: [{ still: true }] }, /terms\[0\].still is of inputs with T; leave/],
    [{ input: [2, 3], terms: [{ kernelSize: 1 }] }, /windows need an image/],
  ],
  batchNorm: [
    [{ input: image, outputs: ['mean'], training: false }, /'mean' needs training/],
    [{ input: image, outputs: ['meanInvStd'] }, /'meanInvStd' needs training in step mode s/],
    [{ input: image, moments: [2, 4, 3] }, /3 channels must be \[units, 4, 4\], got \[2, 4, 3\]/],
    [{ input: timed(2), stepMode: 's', moments: [2, 4, 4] }, /moments are of training with stat/],
    [{ input: image, moments: [2, 4, 4], training: false }, /moments are of training with stat/],
  ],
  reluBackward: [
    [{ input: [3, 2, 4], counts: true, timeSteps: 2 }, /input must be a shape \[B, C\] or/],
  ],
  dropout: [[{ input: [3, 2, 4], outputs: ['counts'] }, /'counts' are of spikes/]],
  relu: [[{ input: [2, 3], threads: 2, engine: 'debug' }, /runs on one thread/]],
  weightStandardise: [
    [{ weight: [4, 1] }, /needs more than one input for each output/],
    [{ weight: [4, 6], pixels: 4 }, /pixels must divide the 6 features of the weight, got 4/],
    [
      { weight: [6, 2, 1, 1], groups: 2 },
      /group of the weight must make a multiple of 4 outputs.*got 3 \(weight \[6, 2, 1, 1\]/,
    ],
  ],
}

const targets = (...of: number[]): unknown[] => [undefined, Int32Array.from(of)]
const carried = { input: [2, 3], outputs: ['potential'], totalSteps: 6 }
const [x, spikes, w] = [new Float32Array(6), new Uint8Array(288), new Float32Array(288)]

const runs: readonly (readonly [string, Options, given: unknown[], RegExp])[] = [
  ['conv2d', conv, [spikes, w, w], /run takes 2 arrays \(input, weight\), got 3/],
  ['conv2d', conv, [spikes.with(7, 2), w], /input must hold 0 \(no spike\) or 1, got 2 at index 7/],
  [
    'conv2d',
    { ...conv, weightType: 'int6' },
    [spikes, new Int8Array(288).fill(-32), new Float32Array(8)],
    /weight must hold −31 … 31 with weightType 'int6', got -32 at index 0/,
  ],
  ['conv2d', { ...conv, weightType: 'int8' }, [spikes, w], /weight must be a Int8Array of shape/],
  ['lif', carried, [x, undefined, { step: 5 }], /ops\.lif\.run: step must be .* 0 to 4, got 5/],
  ['lif', carried, [x, undefined, { stpe: 5 }], /stpe is not an option/],
  ['lif', carried, [x, x], /potential must be a Float32Array of shape \[3\]/],
  ['crossEntropy', logits, targets(0, 3), /target must hold classes from 0 to 2, got 3 at/],
  ['crossEntropy', logits, targets(-1, 0), /from 0 to 2, got -1 at index 0/],
  ['crossEntropy', logits, [undefined, new Float32Array(2)], /target must be a Int32Array of sh/],
  ['crossEntropy', logits, [undefined, { vald: 3 }], /run.vald is not an option/],
  [
    'crossEntropy',
    { ...logits, instantaneous: true },
    [undefined, { gradientSteps: [4] }],
    /a list of steps from 0 to 3, got \[4\]/,
  ],
  ['sgd', { shape: [2] }, [{ rate: 1 }], /run.rate is not an option/],
]

test('options that do not go together, and names that do not exist', () => {
  for (const [name, rows] of Object.entries(options))
    for (const [given, message] of rows) assert.throws(() => all[name].plan(given), message)
})

test('arrays and settings of runs', () => {
  for (const [name, given, args, message] of runs)
    assert.throws(() => all[name].plan(given).run(...args), message)
})

test.run()
