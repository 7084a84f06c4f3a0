/** How `train` learns: its flags, what they mean for `fit`, and in options.json. */

import { type Command, Option } from 'commander'
import { expect, SpikewasmError } from '../errors.js'
import {
  crossEntropy,
  type Loss,
  lossNames,
  mse,
  type RatePenalty,
  ratePenalty,
  tet,
} from '../loss/index.js'
import {
  adam,
  adamW,
  constant,
  cosine,
  linearWarmup,
  monitors,
  type Optimizer,
  oneCycle,
  optimizerNames,
  plateau,
  type Schedule,
  sgd,
  stepDecay,
} from '../optimizer/index.js'
import { type Method, methodNames, methodsTaking } from '../plan/methods.js'
import * as v from '../runtime/vendor/valibot/index.js'
import type { Callback } from '../train/callback.js'
import { earlyStopping } from '../train/callbacks/early-stopping.js'
import { comparableLr } from '../train/comparable-lr.js'
import type { FitOptions } from '../train/options.js'
import { describeDefault } from './datasets.js'
import { counting, named, numeric } from './options.js'

/** Schedules of `--schedule`, from the number of epochs and of those of a warm-up before it. */
const schedules = {
  cosine: () => cosine(),
  constant: () => constant(),
  oneCycle: () => oneCycle(),
  stepDecay: (epochs: number) => stepDecay(Math.max(1, Math.ceil(epochs / 3))),
  plateau: () => plateau(),
}

type ScheduleName = keyof typeof schedules
const scheduleNames = Object.keys(schedules) as ScheduleName[]

const count = v.pipe(v.number(), v.integer(), v.minValue(1))

/** What options.json holds of it; older folders have the first lines alone. */
export const trainingSchema = {
  lr: v.number(),
  weightDecay: v.number(),
  schedule: v.picklist(scheduleNames),
  momentum: v.optional(v.number()),
  optimizer: v.optional(v.picklist(optimizerNames), 'sgd'),
  lrFor: v.optional(v.picklist(methodNames)),
  loss: v.optional(v.picklist(lossNames), 'crossEntropy'),
  labelSmoothing: v.optional(v.number()),
  ratePenalty: v.optional(v.number()),
  rateTarget: v.optional(v.number()),
  clipNorm: v.optional(v.number()),
  accumulate: v.optional(count),
  ema: v.optional(v.number()),
  freeze: v.optional(v.array(v.string())),
  warmup: v.optional(count),
  earlyStopping: v.optional(count),
  monitor: v.optional(v.picklist(monitors)),
  validationSplit: v.optional(v.number()),
}

const wholeSchema = v.object(trainingSchema)

/** How a run learns, as options.json says it. */
export type TrainingRecord = v.InferOutput<typeof wholeSchema>

/** What is given on the command line, or read from options.json. */
export type TrainingArguments = Partial<TrainingRecord>

/** What of the other options it depends on. */
export interface TrainingContext {
  readonly method: Method
  readonly timeSteps: number
  /** Of sltt; other methods have none, or all. */
  readonly backwardSteps?: number
  readonly epochs: number
  /** Learning rate and decay of SGD for the data set. */
  readonly defaults: { readonly lr: number; readonly weightDecay: number }
}

/** What the options mean. */
export interface TrainingSetup {
  readonly optimizer: Optimizer
  readonly schedule: Schedule
  readonly fit: Pick<
    FitOptions,
    'loss' | 'penalties' | 'clipNorm' | 'accumulate' | 'ema' | 'freeze' | 'validationSplit'
  >
  /** Of the run: those of its folder come behind. */
  readonly callbacks: readonly Callback[]
  /** For options.json; `trainingOf` gives the same again from it. */
  readonly record: TrainingRecord
}

/** Adds the flags to a command. */
export function addTrainingFlags(command: Command): Command {
  return command
    .addOption(named('--optimizer <name>', 'rule of the steps', optimizerNames, 'sgd'))
    .addOption(
      numeric(
        '--lr <rate>',
        `learning rate (default: ${describeDefault('lr')}; 0.001 for adam and adamW)`,
      ),
    )
    .addOption(
      named(
        '--lr-for <method>',
        'the method that --lr was chosen for: with rate, the learning rate of another is ' +
          'multiplied by T, with sltt by T/K, and --weight-decay and --clip-norm are divided by ' +
          'it, so that steps are as large',
        methodNames,
      ),
    )
    .addOption(numeric('--momentum <share>', 'sgd: momentum (default: 0.9)'))
    .addOption(
      numeric(
        '--weight-decay <rate>',
        'decay of the weights of convolutions and linear layers (default: ' +
          `${describeDefault('weightDecay')}; 0 for adam, 0.01 for adamW)`,
      ),
    )
    .addOption(
      named(
        '--schedule <name>',
        'learning rate over the epochs; stepDecay: a tenth after each third, plateau: a tenth ' +
          'when the test loss has not improved for 10 epochs',
        scheduleNames,
        'cosine',
      ),
    )
    .addOption(
      counting('--warmup <n>', 'epochs of a linear warm-up before the schedule (default: none)'),
    )
    .addOption(named('--loss <name>', 'what training makes small', lossNames, 'crossEntropy'))
    .addOption(
      numeric(
        '--label-smoothing <share>',
        'crossEntropy: share of the target that is spread over all classes (default: 0)',
      ),
    )
    .addOption(
      numeric(
        '--rate-penalty <weight>',
        'rate, bptt: adds weight times the mean of (rate - target)² of each layer of neurons to ' +
          'the loss (default: none)',
      ),
    )
    .addOption(
      numeric('--rate-target <rate>', 'with --rate-penalty: the wanted rate, 0…1 (default: 0)'),
    )
    .addOption(
      numeric('--clip-norm <norm>', 'scale gradients down to this norm at most (default: never)'),
    )
    .addOption(
      counting(
        '--accumulate <n>',
        'batches whose gradients are averaged for one step of the optimizer (default: 1)',
      ),
    )
    .addOption(
      numeric(
        '--ema <share>',
        'keep a moving average of the parameters, which is tested and saved (default: none)',
      ),
    )
    .addOption(
      new Option(
        '--freeze <list>',
        'parameters or layers that stay as they are, by name, separated by commas',
      ).argParser(nameList),
    )
    .addOption(
      counting(
        '--early-stopping <n>',
        'end when --monitor (default: testLoss) has not improved for n epochs (default: never)',
      ),
    )
    .addOption(
      numeric(
        '--validation-split <share>',
        'test each epoch on this share of the training data, its last samples, instead of the ' +
          'test data (default: none)',
      ),
    )
}

function nameList(text: string): string[] {
  const names = text.split(',').map((name) => name.trim())
  expect(
    names.every((name) => name !== ''),
    () => `--freeze must be names, separated by commas, got ${JSON.stringify(text)}`,
  )
  return names
}

/** @throws SpikewasmError for an option that would do nothing, or that is out of range */
export function trainingOf(args: TrainingArguments, context: TrainingContext): TrainingSetup {
  const { schedule: name = 'cosine', warmup } = args
  const { accumulate, ema, freeze, validationSplit, labelSmoothing } = args
  expect(
    validationSplit === undefined || (validationSplit > 0 && validationSplit < 1),
    () => `--validation-split must lie in 0…1 (both excluded), got ${validationSplit}`,
  )
  // What is scaled up with the learning rate is clipped at a norm that is scaled down.
  const clipNorm = args.clipNorm && args.clipNorm / factorOf({ ...context, lrFor: args.lrFor })
  const lossName = args.loss ?? 'crossEntropy'
  expect(
    args.clipNorm === undefined || args.clipNorm > 0,
    () => `--clip-norm must be > 0, got ${args.clipNorm}; leave it out to clip nothing`,
  )
  const numbers = recordOfOptimizer(args, context)
  const loss = lossOf(lossName, labelSmoothing)
  const { ratePenalty: weight, rateTarget: target } = args
  if (weight === undefined) refuse('--rate-target', target, 'no --rate-penalty; give both')
  const penalties = weight === undefined ? undefined : [penaltyOf(weight, target)]
  const fit = given({ loss, penalties, clipNorm, accumulate, ema, freeze, validationSplit })
  const { earlyStopping: patience, monitor } = args
  return {
    optimizer: optimizerOf({ ...context, ...numbers }),
    schedule: scheduleOf(name, warmup, context.epochs),
    fit,
    callbacks: patience === undefined ? [] : [earlyStopping(given({ patience, monitor }))],
    record: given({
      ...numbers,
      schedule: name,
      warmup,
      loss: lossName,
      ...{
        labelSmoothing,
        ratePenalty: weight,
        rateTarget: target,
        clipNorm: args.clipNorm,
        accumulate,
        ema,
        freeze,
        validationSplit,
      },
      earlyStopping: patience,
      monitor,
    }),
  }
}

/** Without what is undefined, so that equal options are equal JSON. */
const given = <T extends object>(options: T): T =>
  Object.fromEntries(Object.entries(options).filter(([, value]) => value !== undefined)) as T

type OptimizerRecord = Pick<
  TrainingRecord,
  'optimizer' | 'lr' | 'lrFor' | 'momentum' | 'weightDecay'
>

function recordOfOptimizer(
  args: TrainingArguments,
  { defaults }: TrainingContext,
): OptimizerRecord {
  const { optimizer = 'sgd', lrFor } = args
  if (optimizer === 'sgd') {
    const { lr = defaults.lr, weightDecay = defaults.weightDecay, momentum = 0.9 } = args
    return given({ optimizer, lr, lrFor, momentum, weightDecay })
  }
  refuse('--momentum', args.momentum, `--optimizer ${optimizer}, which has betas instead`)
  refuse('--lr-for', lrFor, `--optimizer ${optimizer}, whose steps do not grow with gradients`)
  const { lr, weightDecay } = optimizer === 'adam' ? adam() : adamW()
  return { optimizer, lr: args.lr ?? lr, weightDecay: args.weightDecay ?? weightDecay }
}

/** What gradients, and so learning rates, depend on beside the record. */
type GradientContext = Pick<TrainingContext, 'method' | 'timeSteps' | 'backwardSteps'>

/** By what the learning rate is multiplied. */
function factorOf(run: GradientContext & Pick<TrainingRecord, 'lrFor'>): number {
  const { method, timeSteps, lrFor = method } = run
  if (lrFor === method) return 1
  const backwardSteps = methodsTaking('backwardSteps').includes(method)
    ? run.backwardSteps
    : undefined
  return comparableLr(1, { from: lrFor, to: method, timeSteps, backwardSteps })
}

/** The optimizer of a run, of older ones too. */
export function optimizerOf(
  run: Partial<OptimizerRecord> & Pick<OptimizerRecord, 'lr' | 'weightDecay'> & GradientContext,
): Optimizer {
  const { optimizer = 'sgd', momentum, weightDecay } = run
  if (optimizer === 'adam') return adam({ lr: run.lr, weightDecay })
  if (optimizer === 'adamW') return adamW({ lr: run.lr, weightDecay })
  const factor = factorOf(run)
  const lr = run.lr * factor
  return sgd({ lr, momentum, weightDecay: weightDecay / factor, decay: 'weights' })
}

function scheduleOf(name: ScheduleName, warmup: number | undefined, epochs: number): Schedule {
  if (warmup === undefined) return schedules[name](epochs)
  if (name === 'oneCycle')
    refuse('--warmup', warmup, '--schedule oneCycle, which has a warm-up of its own')
  expect(
    warmup < epochs,
    () => `--warmup must be less than the number of epochs, ${epochs}, got ${warmup}`,
  )
  return linearWarmup(warmup, schedules[name](epochs - warmup))
}

function lossOf(name: Loss['kind'], labelSmoothing: number | undefined): Loss {
  if (name === 'crossEntropy') return crossEntropy(given({ labelSmoothing }))
  refuse('--label-smoothing', labelSmoothing, `--loss ${name}; it is for crossEntropy`)
  return name === 'mse' ? mse() : tet()
}

function penaltyOf(weight: number, target: number | undefined): RatePenalty {
  expect(weight >= 0, () => `--rate-penalty must be ≥ 0, got ${weight}`)
  expect(
    target === undefined || (target >= 0 && target <= 1),
    () => `--rate-target must lie in 0…1, got ${target}`,
  )
  return ratePenalty(given({ weight, target }))
}

/** @throws SpikewasmError for an option that would do nothing */
function refuse(option: string, value: unknown, why: string): void {
  if (value !== undefined)
    throw new SpikewasmError(`${option} must be left out with ${why}, got ${value}`)
}

/** How the run learns, in a line for people. */
export function describeTraining({ record, optimizer, fit }: TrainingSetup): string {
  const { lrFor, loss, clipNorm, accumulate, ema, freeze, warmup, schedule } = record
  const { ratePenalty: weight, rateTarget = 0 } = record
  /** A number, and what was given where that differs. */
  const scaled = (value: number, asked: number): string => {
    const short = Number(value.toPrecision(6))
    return short === Number(asked.toPrecision(6)) ? `${short}` : `${short} (${asked} for ${lrFor})`
  }
  return [
    `${optimizer.kind}, learning rate ${scaled(optimizer.lr, record.lr)}`,
    `weight decay ${Number(optimizer.weightDecay.toPrecision(6))}`,
    `${schedule}${warmup === undefined ? '' : ` after ${warmup} epochs of warm-up`}`,
    ...(loss === 'crossEntropy' ? [] : [`loss ${loss}`]),
    ...(weight === undefined ? [] : [`penalty ${weight} towards rate ${rateTarget}`]),
    ...(clipNorm === undefined
      ? []
      : [`gradients of norm ${scaled(fit.clipNorm ?? clipNorm, clipNorm)} at most`]),
    ...(accumulate === undefined ? [] : [`${accumulate} batches a step`]),
    ...(ema === undefined ? [] : [`averages ${ema}`]),
    ...(freeze === undefined ? [] : [`frozen ${freeze.join(', ')}`]),
  ].join(', ')
}
