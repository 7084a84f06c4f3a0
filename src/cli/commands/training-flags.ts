/** The options of `train`. */

import { isText, lossKind, lossNames } from '../../compile/loss-kind.js'
import {
  type Optimizer,
  optimizerKind,
  optimizerNames,
  optimizerOf,
} from '../../compile/optimizer-kind.js'
import { monitors } from '../../network/optimizer.js'
// Makes all of them known.
import '../../nn/loss/custom.js'
import '../../nn/optimizers.js'
import '../../nn/rule.js'
import { methodNames } from '../../compile/methods.js'
import * as v from '../../engine/vendor/valibot/index.js'
import { describeDefault } from '../datasets.js'
import * as shared from '../options.js'
import { roundsSpecs } from '../rounds/flags.js'
import * as o from '../spec.js'

/** Names of `--schedule`. */
export const scheduleNames = ['cosine', 'constant', 'oneCycle', 'stepDecay', 'plateau'] as const

const decays: readonly Optimizer['decay'][] = ['weights', 'all']
const lossesOf = ['rates', 'counts'] as const

/** Optimizers whose defaults the data do not say. */
const others = optimizerNames.filter((kind) => kind !== 'sgd')

const optionsOf = (kind: Optimizer['kind']) => new Map(Object.entries(optimizerKind(kind).options))

/** Defaults of an option: `0 for adam and rmsprop, 0.01 for adamW`, or the one of all. */
function usualOf(key: string, kinds: readonly Optimizer['kind'][]): string {
  const presets = kinds.map((kind) => `${optionsOf(kind).get(key)?.preset}`)
  const each = [...new Set(presets)].map((preset) => {
    const named = kinds.filter((_, i) => presets[i] === preset)
    return `${preset} for ${named.join(' and ')}`
  })
  return each.length > 1 || kinds === others ? each.join(', ') : presets[0]
}

/** What options of some optimizers alone are, where they have a flag. */
const ownTexts = {
  momentum: 'momentum',
  nesterov: 'steps look ahead along the momentum',
  betas: 'share of the means of gradients and of their squares that is kept',
}

type Own = {
  readonly [K in keyof typeof ownTexts]: o.Spec<
    Extract<Optimizer, Readonly<Record<K, unknown>>>[K],
    undefined
  >
}

function ownSpec(key: string, text: string): o.Spec {
  const kinds = optimizerNames.filter((kind) => optionsOf(kind).has(key))
  const more = { usual: usualOf(key, kinds), only: ['optimizer', ...kinds] as const }
  const preset = optionsOf(kinds[0]).get(key)?.preset
  if (typeof preset === 'boolean') return o.flag(text, { only: more.only })
  if (typeof preset === 'number') return o.number('<share>', text, more)
  const rule = 'two numbers, separated by commas, as in 0.9,0.99'
  return o.numbers('<list>', text, { ...more, rule, fits: ({ length }) => length === 2 })
}

const ownSpecs = Object.fromEntries(
  Object.entries(ownTexts).map(([key, text]) => [key, ownSpec(key, text)]),
) as unknown as Own

/** What makes the optimizer of a name, or of a rule as text. */
export const kindNamed = (given: string): Optimizer['kind'] =>
  optimizerNames.find((name) => name === given) ?? 'rule'

/** @throws SpikewasmError for a mistake in a rule, with its place */
function optimizerNamed(given: string): string {
  if (given.includes('=')) optimizerOf('--optimizer', given)
  return given
}

const optimizerSpec = o.parsed(
  '<rule>',
  'name or text',
  `one of ${optimizerNames.join(', ')}, or a rule as text`,
  optimizerNamed,
  o.textThat((given) => given.includes('=') || kindNamed(given) !== 'rule'),
  { names: optimizerNames, preset: 'sgd' as string },
)

/** The flags of an optimizer's own options. */
export const ownSpecsOf = (kind: Optimizer['kind']): o.Specs =>
  Object.fromEntries(Object.entries<o.Spec>(ownSpecs).filter(([key]) => optionsOf(kind).has(key)))

/** What options of losses are, where they have a flag. */
const lossTexts = {
  labelSmoothing: ['<share>', 'share of the target that is spread over all classes'],
  alpha: ['<weight>', 'weight of the cross entropies'],
  beta: ['<weight>', 'weight of the divergences'],
  temperature: ['<t>', 'temperature of the softmax'],
} as const

/** The default of an option, and the losses that have it. */
function ofLosses(key: string) {
  const kinds = lossNames.filter((kind) => key in lossKind(kind).options)
  const { preset } = lossKind(kinds[0]).options[key]
  return { usual: `${preset}`, only: ['loss', ...kinds] as const }
}

const lossNumbers = Object.fromEntries(
  Object.entries(lossTexts).map(([key, [takes, text]]) => [
    key,
    o.number(takes, text, ofLosses(key)),
  ]),
) as Readonly<Record<keyof typeof lossTexts, o.Spec<number, undefined>>>

/** The flags of options of some losses alone. */
export const lossSpecs = {
  ...lossNumbers,
  classWeights: o.numbers('<list>', 'a weight for each class, separated by commas', {
    ...ofLosses('classWeights'),
    usual: 'all weigh as much',
  }),
}

/** How it learns. A new one is a line here, and what it does in `trainingOf`. */
export const trainingSpecs = {
  ...o.under('Optimizer and loss', ['optimizer', 'lr'], {
    optimizer: optimizerSpec,
    lr: o.number('<rate>', 'learning rate', {
      usual: `${describeDefault('lr')}; ${usualOf('lr', others)}`,
    }),
    lrFor: o.name(
      '<method>',
      'the method that --lr was chosen for: with rate, the learning rate of another is ' +
        'multiplied by T, with sltt by T/K, and --weight-decay and --clip-norm are divided by ' +
        'it, so that steps are as large',
      methodNames,
      { only: ['optimizer', 'sgd'] },
    ),
    ...ownSpecs,
    weightDecay: o.number('<rate>', 'weight decay', {
      usual: `${describeDefault('weightDecay')}; ${usualOf('weightDecay', others)}`,
    }),
    decay: o.name(
      '<what>',
      'what decays: weights of convolutions and linear layers, or all parameters',
      decays,
      { usual: 'weights' },
    ),
  }),
  schedule: o.name(
    '<name>',
    'learning rate over the epochs; stepDecay: a tenth after each third, plateau: a tenth when ' +
      'the test loss has not improved for 10 epochs',
    scheduleNames,
    { preset: 'cosine' },
  ),
  warmup: o.count('<n>', 'epochs of a linear warm-up before the schedule', { usual: 'none' }),
  ...o.under('Optimizer and loss', [], {
    loss: o.parsed(
      '<name>',
      'what training makes small: a name, or a text of y and target, as in "(y - target)^2"',
      `one of ${lossNames.join(', ')}, or a text such as "(y - target)^2"`,
      (given) => given,
      v.union([v.picklist(lossNames), v.custom<string>(isText)]),
      { names: lossNames, preset: 'crossEntropy' },
    ),
    lossOf: o.name(
      '<what>',
      'of the mean over time of the outputs, or of their sum',
      lossesOf,
      ofLosses('of'),
    ),
    ...lossSpecs,
    ratePenalty: o.number(
      '<weight>',
      'rate, bptt: adds weight times the mean of (rate - target)² of each layer of neurons to ' +
        'the loss',
      { usual: 'none', rule: '≥ 0' },
    ),
    rateTarget: o.number('<rate>', 'the wanted rate, 0…1', {
      usual: '0',
      rule: '0…1',
      needs: 'ratePenalty',
    }),
  }),
  clipNorm: o.number('<norm>', 'scale gradients down to this norm at most', {
    usual: 'never',
    rule: '> 0',
    cure: 'leave it out to clip nothing',
  }),
  accumulate: o.count('<n>', 'batches whose gradients are averaged for one step of the optimizer', {
    usual: '1',
  }),
  ema: o.number('<share>', 'keep a moving average of the parameters, which is tested and saved', {
    usual: 'none',
  }),
  freeze: o.parsed(
    '<list>',
    'parameters or layers that stay as they are, by name, separated by commas',
    'names, separated by commas',
    (text) => text.split(',').map((name) => name.trim()),
    v.array(v.pipe(v.string(), v.nonEmpty())),
  ),
  earlyStopping: o.count(
    '<n>',
    'end when --monitor (default: testLoss) has not improved for n epochs',
    { usual: 'never' },
  ),
  validationSplit: o.number(
    '<share>',
    'test each epoch on this share of the training data, its last samples, instead of the test ' +
      'data',
    { usual: 'none', rule: '0…1 (both excluded)' },
  ),
}

/** What chooses the best weights, and what `--early-stopping` watches. */
export const monitorSpecs = {
  monitor: o.name(
    '<name>',
    'what chooses the best weights (default: testAccuracy), and what --early-stopping watches',
    monitors.filter((name) => name !== 'testMeanAbsoluteError'),
  ),
}

const { optimizer, lr, weightDecay, schedule, loss } = trainingSpecs

/** What options.json holds of them. */
export const trainingSchema = {
  ...o.schemaOf({ ...trainingSpecs, ...monitorSpecs }),
  ...o.schemasOf({ optimizer, lr, weightDecay, schedule, loss }),
}

const wholeSchema = v.object(trainingSchema)

/** How a run learns, as options.json says it. */
export type TrainingRecord = v.InferOutput<typeof wholeSchema>

/** What is given on the command line, or read from options.json. */
export type TrainingArguments = Partial<
  o.ArgumentsOf<typeof trainingSpecs> & o.ArgumentsOf<typeof monitorSpecs>
>

/** The page of this machine that shows how it goes. */
export const dashboardOf = (what: string) => ({
  dashboard: o.parsed(
    '[port]',
    what,
    'a port from 0 to 65535, or none',
    (text) => (text.trim() === '' ? undefined : Number(text)),
    v.pipe(v.number(), v.integer(), v.minValue(0), v.maxValue(65535)),
    { bare: '0' },
  ),
})

export const trainSpecs = o.under('Training', ['epochs', 'batchSize', 'schedule', 'seed'], {
  ...shared.data,
  ...shared.modelOfData,
  ...shared.wholeMethod,
  ...shared.time,
  ...o.under('Network', [], {
    weights: shared.weightsOf('; int8, int6: whole numbers and a scale for each output', {
      cure: '--load starts from those of a file',
    }),
  }),
  epochs: o.count('<n>', 'passes over the training data', { usual: describeDefault('epochs') }),
  ...shared.batch,
  ...shared.eventSpecs,
  ...trainingSpecs,
  ...o.under('Rounds of replicas', [], roundsSpecs),
  ...shared.seedOf('initial weights, order of the data and augmentation'),
  ...shared.limits,
  ...shared.augmented,
  numWorkers: o.number('<n>', 'threads that read and prepare batches ahead', {
    usual: '1 where there is enough to prepare',
  }),
  ...o.under('Run', ['out', 'resume', 'dashboard'], {
    load: o.text('<file>', 'start from the weights in a safetensors file'),
    out: o.text(
      '<folder>',
      'write weights, the best weights, options, history and a checkpoint after each epoch',
    ),
    overwrite: o.flag('write over a run that is in the folder of --out', { preset: false }),
    resume: o.text(
      '<folder>',
      'go on with a run where it ended, to the bit; its options are in the folder',
    ),
    checkpointEvery: o.parsed(
      '<when>',
      'with --out: a checkpoint after so many steps (100) or minutes (5m) too',
      'steps or minutes',
      (text) => (/^\d+$/.test(text) ? Number(text) : text),
      v.union([v.number(), v.string()]),
    ),
    ...monitorSpecs,
    ...dashboardOf(
      'show the run live on a page of this machine; the address is said when training starts ' +
        '(default port: one that is free)',
    ),
    report: o.unless('with --out: write no page about the run (report.html) at its end'),
  }),
  ...shared.threads,
  ...shared.last,
})

export type TrainArguments = o.ArgumentsOf<typeof trainSpecs>
