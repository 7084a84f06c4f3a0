/** Plans of normalisation, pooling, sums, products, losses and the optimizer. */
import { rmsprop } from '../../../src/index.js'
import * as ops from '../../../src/ops/index.js'
import type { Example } from './example.js'

const input = [2, 3, 5, 6, 6]
const windows = { input, kernelSize: 2 }

export const examples: readonly Example[] = [
  { name: 'batchNorm', plan: () => ops.batchNorm.plan({ input }) },
  { name: 'batchNorm, running', plan: () => ops.batchNorm.plan({ input, training: false }) },
  { name: 'batchNormBackward', plan: () => ops.batchNormBackward.plan({ input }) },
  { name: 'batchNormAllTime', plan: () => ops.batchNormAllTime.plan({ input }) },
  { name: 'maxPool2d of spikes', plan: () => ops.maxPool2d.plan({ ...windows, spikes: true }) },
  {
    name: 'maxPool2d of floats',
    plan: () => ops.maxPool2d.plan({ ...windows, outputs: ['output', 'choice'] }),
  },
  { name: 'maxPool2dBackward', plan: () => ops.maxPool2dBackward.plan(windows) },
  { name: 'add', plan: () => ops.add.plan({ terms: [{ input }, { input, spikes: true }] }) },
  { name: 'avgPool2d', plan: () => ops.avgPool2d.plan(windows) },
  { name: 'avgPool2dBackward', plan: () => ops.avgPool2dBackward.plan(windows) },
  { name: 'gradientSum', plan: () => ops.gradientSum.plan({ input, terms: [{}, {}] }) },
  ...(['NN', 'NT', 'TN'] as const).map((transpose) => ({
    name: `matmul ${transpose}`,
    plan: () => ops.matmul.plan({ a: [3, 3], b: [3, 3], transpose }),
  })),
  { name: 'timeMean', plan: () => ops.timeMean.plan({ input: [2, 3, 5] }) },
  { name: 'crossEntropy', plan: () => ops.crossEntropy.plan({ input: [2, 3, 5] }) },
  { name: 'mse', plan: () => ops.mse.plan({ input: [2, 3, 5] }) },
  { name: 'tet', plan: () => ops.tet.plan({ input: [2, 3, 5] }) },
  { name: 'selfDistillation', plan: () => ops.selfDistillation.plan({ input: [2, 3, 5] }) },
  {
    name: 'ratePenalty',
    plan: () => ops.ratePenalty.plan({ input: [2, 5], timeSteps: 3, weight: 1 }),
  },
  { name: 'sgd', plan: () => ops.sgd.plan({ shape: [5, 4] }) },
  { name: 'adam', plan: () => ops.adam.plan({ shape: [5, 4] }) },
  { name: 'adam, decoupled', plan: () => ops.adam.plan({ shape: [20], decoupled: true, step: 3 }) },
  { name: 'update', plan: () => ops.update.plan({ shape: [5, 4], optimizer: rmsprop() }) },
  { name: 'clipNorm', plan: () => ops.clipNorm.plan({ shape: [5, 4] }) },
  { name: 'ema', plan: () => ops.ema.plan({ shape: [5, 4] }) },
  { name: 'clear', plan: () => ops.clear.plan({ shape: [5, 4] }) },
  { name: 'sum', plan: () => ops.sum.plan({ shape: [5] }) },
  { name: 'scale', plan: () => ops.scale.plan({ input, factor: [1, 2, 3, 4, 5] }) },
  {
    name: 'adaptiveAvgPool2d',
    plan: () => ops.adaptiveAvgPool2d.plan({ input, outputSize: [4, 5] }),
  },
  {
    name: 'adaptiveAvgPool2dBackward',
    plan: () => ops.adaptiveAvgPool2dBackward.plan({ input, outputSize: [4, 5] }),
  },
  { name: 'groupNorm', plan: () => ops.groupNorm.plan({ input, groups: 5 }) },
  { name: 'groupNormBackward', plan: () => ops.groupNormBackward.plan({ input, groups: 1 }) },
  { name: 'delay', plan: () => ops.delay.plan({ input, steps: 1 }) },
  { name: 'delay of spikes', plan: () => ops.delay.plan({ input, steps: 1, spikes: true }) },
  { name: 'delayBackward', plan: () => ops.delayBackward.plan({ input, steps: [0, 1, 2, 1, 0] }) },
  { name: 'concat', plan: () => ops.concat.plan({ inputs: [input, input] }) },
  {
    name: 'concat of spikes',
    plan: () => ops.concat.plan({ inputs: [input, input], spikes: true }),
  },
  { name: 'split', plan: () => ops.split.plan({ inputs: [input, input] }) },
]
