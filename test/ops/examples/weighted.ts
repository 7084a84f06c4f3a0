/** Plans of convolutions and linear layers with each of their kernels, and their gradients. */
import * as ops from '../../../src/ops/index.js'
import type { Example } from './example.js'

const input = [2, 5, 8, 8, 8]
const rates = [2, 8, 8, 8]
const conv = { input, weight: [8, 8, 3, 3], padding: 1 }
const rate = { ...conv, input: rates }
const wide = { input: [2, 4, 64, 8, 8], weight: [64, 64, 3, 3], padding: 1 }
const grouped = { ...wide, weight: [64, 16, 3, 3], groups: 4 }
const image = { input: [2, 3, 8, 8], weight: [8, 3, 3, 3], padding: 1 }
const dense = { input: [2, 4, 12], weight: [10, 12] }

type Forward = ops.OptionsOf<typeof ops.conv2d>

const forward = (name: string, options: Forward): Example => ({
  name: `conv2d ${name}`,
  plan: () => ops.conv2d.plan(options),
})
const backward = (
  name: string,
  options: ops.OptionsOf<typeof ops.conv2dInputGradient>,
): Example => ({
  name: `conv2dInputGradient ${name}`,
  plan: () => ops.conv2dInputGradient.plan(options),
})
const weight = (
  name: string,
  options: ops.OptionsOf<typeof ops.conv2dWeightGradient>,
): Example => ({
  name: `conv2dWeightGradient ${name}`,
  plan: () => ops.conv2dWeightGradient.plan(options),
})

export const examples: readonly Example[] = [
  forward('of few channels', { ...image, algorithm: 'narrow' }),
  forward('of floats', { ...conv, algorithm: 'direct' }),
  forward('by rows', { ...conv, input: [16, 4, 8, 32, 32], spikes: true, algorithm: 'rows' }),
  forward('by lists', { ...conv, spikes: true, algorithm: 'lists' }),
  forward('of bytes', { ...conv, spikes: true, weightType: 'int8' }),
  forward('in groups', { ...grouped, algorithm: 'grouped' }),
  forward('in groups of spikes', { ...grouped, spikes: true, algorithm: 'grouped' }),
  forward('in groups as one', { ...grouped, spikes: true, algorithm: 'dense' }),
  backward('direct', { ...conv, algorithm: 'direct' }),
  backward('winograd', { ...rate, algorithm: 'winograd' }),
  backward('winograd, wide', {
    input: [4, 64, 16, 16],
    weight: [64, 64, 3, 3],
    padding: 1,
    algorithm: 'winograd',
  }),
  backward('winograd stride', { ...wide, stride: 2, algorithm: 'winograd stride' }),
  backward('in groups', { ...grouped, algorithm: 'grouped' }),
  weight('direct', { ...conv, algorithm: 'direct' }),
  weight('winograd', { ...rate, algorithm: 'winograd' }),
  weight('of few channels', { ...image, algorithm: 'narrow' }),
  weight('by lists', { ...rate, counts: true, timeSteps: 5, algorithm: 'lists' }),
  weight('by patterns', { ...conv, spikes: true, algorithm: 'patterns' }),
  weight('by the number of spikes', { ...wide, input: [16, 64, 8, 8], counts: true, timeSteps: 4 }),
  weight('in groups', { ...grouped, algorithm: 'grouped' }),
  weight('in groups as one', { ...grouped, algorithm: 'dense' }),
  { name: 'conv2dBiasGradient', plan: () => ops.conv2dBiasGradient.plan({ delta: input }) },
  { name: 'linear', plan: () => ops.linear.plan(dense) },
  { name: 'linearInputGradient', plan: () => ops.linearInputGradient.plan(dense) },
  { name: 'linearWeightGradient', plan: () => ops.linearWeightGradient.plan(dense) },
  { name: 'linearBiasGradient', plan: () => ops.linearBiasGradient.plan({ delta: [2, 10] }) },
  { name: 'weightStandardise', plan: () => ops.weightStandardise.plan({ weight: [8, 8, 3, 3] }) },
  {
    name: 'weightStandardiseGradient',
    plan: () => ops.weightStandardiseGradient.plan({ weight: [8, 8, 3, 3] }),
  },
]
