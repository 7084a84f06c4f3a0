/** The options of `train` that say how it learns. */

import { type LossOf, lossNames } from '../loss/index.js'
import { monitors, type Optimizer, optimizerNames } from '../optimizer/index.js'
import { methodNames } from '../plan/methods.js'
import * as v from '../runtime/vendor/valibot/index.js'
import { describeDefault } from './datasets.js'
import {
  type ArgumentsOf,
  count,
  flag,
  name,
  number,
  numbers,
  parsed,
  schemaOf,
  schemasOf,
} from './spec.js'

/** Names of `--schedule`. */
export const scheduleNames = ['cosine', 'constant', 'oneCycle', 'stepDecay', 'plateau'] as const

const decays: readonly Optimizer['decay'][] = ['weights', 'all']
const lossesOf: readonly LossOf[] = ['rates', 'counts']

/** A new one is a line here, and what it does in `trainingOf`. */
export const trainingSpecs = {
  optimizer: name('<name>', 'rule of the steps', optimizerNames, { preset: 'sgd' }),
  lr: number('<rate>', 'learning rate', {
    usual: `${describeDefault('lr')}; 0.001 for adam and adamW`,
  }),
  lrFor: name(
    '<method>',
    'the method that --lr was chosen for: with rate, the learning rate of another is ' +
      'multiplied by T, with sltt by T/K, and --weight-decay and --clip-norm are divided by it, ' +
      'so that steps are as large',
    methodNames,
    { only: ['optimizer', 'sgd'] },
  ),
  momentum: number('<share>', 'momentum', { usual: '0.9', only: ['optimizer', 'sgd'] }),
  nesterov: flag('steps look ahead along the momentum', { only: ['optimizer', 'sgd'] }),
  betas: numbers<[number, number]>(
    '<list>',
    'share of the means of gradients and of their squares that is kept',
    {
      usual: '0.9,0.999',
      only: ['optimizer', 'adam', 'adamW'],
      rule: 'two numbers, separated by commas, as in 0.9,0.99',
      fits: ({ length }) => length === 2,
    },
  ),
  weightDecay: number('<rate>', 'weight decay', {
    usual: `${describeDefault('weightDecay')}; 0 for adam, 0.01 for adamW`,
  }),
  decay: name(
    '<what>',
    'what decays: weights of convolutions and linear layers, or all parameters',
    decays,
    { usual: 'weights' },
  ),
  schedule: name(
    '<name>',
    'learning rate over the epochs; stepDecay: a tenth after each third, plateau: a tenth when ' +
      'the test loss has not improved for 10 epochs',
    scheduleNames,
    { preset: 'cosine' },
  ),
  warmup: count('<n>', 'epochs of a linear warm-up before the schedule', { usual: 'none' }),
  loss: name('<name>', 'what training makes small', lossNames, { preset: 'crossEntropy' }),
  lossOf: name('<what>', 'of the mean over time of the outputs, or of their sum', lossesOf, {
    usual: 'rates',
    only: ['loss', 'crossEntropy', 'mse'],
  }),
  labelSmoothing: number('<share>', 'share of the target that is spread over all classes', {
    usual: '0',
    only: ['loss', 'crossEntropy'],
  }),
  alpha: number('<weight>', 'weight of the cross entropies', {
    usual: '1',
    only: ['loss', 'selfDistillation'],
  }),
  beta: number('<weight>', 'weight of the divergences', {
    usual: '0.3',
    only: ['loss', 'selfDistillation'],
  }),
  temperature: number('<t>', 'temperature of the softmax', {
    usual: '3',
    only: ['loss', 'selfDistillation'],
  }),
  ratePenalty: number(
    '<weight>',
    'rate, bptt: adds weight times the mean of (rate - target)² of each layer of neurons to the ' +
      'loss',
    { usual: 'none', rule: '≥ 0' },
  ),
  rateTarget: number('<rate>', 'the wanted rate, 0…1', {
    usual: '0',
    rule: '0…1',
    needs: 'ratePenalty',
  }),
  clipNorm: number('<norm>', 'scale gradients down to this norm at most', {
    usual: 'never',
    rule: '> 0',
    cure: 'leave it out to clip nothing',
  }),
  accumulate: count('<n>', 'batches whose gradients are averaged for one step of the optimizer', {
    usual: '1',
  }),
  ema: number('<share>', 'keep a moving average of the parameters, which is tested and saved', {
    usual: 'none',
  }),
  freeze: parsed(
    '<list>',
    'parameters or layers that stay as they are, by name, separated by commas',
    'names, separated by commas',
    (text) => text.split(',').map((name) => name.trim()),
    v.array(v.pipe(v.string(), v.nonEmpty())),
  ),
  earlyStopping: count(
    '<n>',
    'end when --monitor (default: testLoss) has not improved for n epochs',
    {
      usual: 'never',
    },
  ),
  validationSplit: number(
    '<share>',
    'test each epoch on this share of the training data, its last samples, instead of the test ' +
      'data',
    { usual: 'none', rule: '0…1 (both excluded)' },
  ),
}

/** What chooses the best weights, and what `--early-stopping` watches. */
export const monitorSpecs = {
  monitor: name(
    '<name>',
    'what chooses the best weights (default: testAccuracy), and what --early-stopping watches',
    monitors.filter((name) => name !== 'testMeanAbsoluteError'),
  ),
}

const { optimizer, lr, weightDecay, schedule, loss } = trainingSpecs

/** What options.json holds of them. */
export const trainingSchema = {
  ...schemaOf({ ...trainingSpecs, ...monitorSpecs }),
  ...schemasOf({ optimizer, lr, weightDecay, schedule, loss }),
}

const wholeSchema = v.object(trainingSchema)

/** How a run learns, as options.json says it. */
export type TrainingRecord = v.InferOutput<typeof wholeSchema>

/** What is given on the command line, or read from options.json. */
export type TrainingArguments = Partial<
  ArgumentsOf<typeof trainingSpecs> & ArgumentsOf<typeof monitorSpecs>
>
