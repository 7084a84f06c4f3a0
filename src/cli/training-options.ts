/** How `train` learns: what its flags mean for `fit`, and in options.json. */

import { expect, SpikewasmError } from '../errors.js'
import {
  crossEntropy,
  type Loss,
  type LossOf,
  lossNames,
  mse,
  type RatePenalty,
  ratePenalty,
  selfDistillation,
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

/** Schedules of `--schedule`, from the number of epochs and of those of a warm-up before it. */
const schedules = {
  cosine: () => cosine(),
  constant: () => constant(),
  oneCycle: () => oneCycle(),
  stepDecay: (epochs: number) => stepDecay(Math.max(1, Math.ceil(epochs / 3))),
  plateau: () => plateau(),
}

type ScheduleName = keyof typeof schedules
export const scheduleNames = Object.keys(schedules) as ScheduleName[]

/** Values of `--decay` and of `--loss-of`. */
export const decays: readonly Optimizer['decay'][] = ['weights', 'all']
export const lossesOf: readonly LossOf[] = ['rates', 'counts']

const count = v.pipe(v.number(), v.integer(), v.minValue(1))

/** What options.json holds of it. */
export const trainingSchema = {
  lr: v.number(),
  weightDecay: v.number(),
  schedule: v.picklist(scheduleNames),
  momentum: v.optional(v.number()),
  nesterov: v.optional(v.boolean()),
  betas: v.optional(v.tuple([v.number(), v.number()])),
  decay: v.optional(v.picklist(decays)),
  optimizer: v.picklist(optimizerNames),
  lrFor: v.optional(v.picklist(methodNames)),
  loss: v.picklist(lossNames),
  lossOf: v.optional(v.picklist(lossesOf)),
  labelSmoothing: v.optional(v.number()),
  alpha: v.optional(v.number()),
  beta: v.optional(v.number()),
  temperature: v.optional(v.number()),
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

/** @throws SpikewasmError for an option that would do nothing, or that is out of range */
export function trainingOf(args: TrainingArguments, context: TrainingContext): TrainingSetup {
  const { schedule: name = 'cosine', warmup } = args
  const { accumulate, ema, freeze, validationSplit, labelSmoothing, lossOf } = args
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
  const { alpha, beta, temperature } = args
  const loss = makeLoss(lossName, lossOf, labelSmoothing, { alpha, beta, temperature })
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
        lossOf,
        labelSmoothing,
        alpha,
        beta,
        temperature,
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
  'optimizer' | 'lr' | 'lrFor' | 'momentum' | 'nesterov' | 'betas' | 'weightDecay' | 'decay'
>

function recordOfOptimizer(
  args: TrainingArguments,
  { defaults }: TrainingContext,
): OptimizerRecord {
  const { optimizer = 'sgd', lrFor, nesterov, betas, decay } = args
  const isSgd = optimizer === 'sgd'
  const { lr: ownLr, weightDecay: ownDecay } = isSgd
    ? defaults
    : optimizer === 'adam'
      ? adam()
      : adamW()
  const { lr = ownLr, weightDecay = ownDecay } = args
  if (weightDecay === 0) refuse('--decay', decay, 'a --weight-decay of 0; give both')
  if (isSgd) {
    refuse('--betas', betas, '--optimizer sgd, which has a momentum instead')
    const { momentum = 0.9 } = args
    return given({ optimizer, lr, lrFor, momentum, nesterov, weightDecay, decay })
  }
  refuse('--momentum', args.momentum, `--optimizer ${optimizer}, which has betas instead`)
  refuse('--nesterov', nesterov, `--optimizer ${optimizer}; it is for sgd`)
  refuse('--lr-for', lrFor, `--optimizer ${optimizer}, whose steps do not grow with gradients`)
  return given({ optimizer, lr, betas, weightDecay, decay })
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

/** The optimizer of a run. */
export function optimizerOf(
  run: Partial<OptimizerRecord> & Pick<OptimizerRecord, 'lr' | 'weightDecay'> & GradientContext,
): Optimizer {
  const { optimizer = 'sgd', momentum, nesterov, betas, weightDecay, decay } = run
  if (optimizer !== 'sgd')
    return { adam, adamW }[optimizer](given({ lr: run.lr, betas, weightDecay, decay }))
  const factor = factorOf(run)
  const lr = run.lr * factor
  return sgd(given({ lr, momentum, nesterov, weightDecay: weightDecay / factor, decay }))
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

/** Numbers of the loss selfDistillation. */
type Distillation = Pick<TrainingRecord, 'alpha' | 'beta' | 'temperature'>

function makeLoss(
  name: Loss['kind'],
  of: LossOf | undefined,
  labelSmoothing: number | undefined,
  distillation: Distillation,
): Loss {
  if (name !== 'selfDistillation')
    for (const key of ['alpha', 'beta', 'temperature'] as const)
      refuse(`--${key}`, distillation[key], `--loss ${name}; it is for selfDistillation`)
  if (name === 'crossEntropy') return crossEntropy(given({ of, labelSmoothing }))
  refuse('--label-smoothing', labelSmoothing, `--loss ${name}; it is for crossEntropy`)
  if (name === 'mse') return mse(given({ of }))
  if (name === 'selfDistillation') {
    refuse('--loss-of', of, '--loss selfDistillation, which is of rates')
    return selfDistillation(given(distillation))
  }
  refuse('--loss-of', of, '--loss tet, which is of the output of each step')
  return tet()
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
  const { ratePenalty: weight, rateTarget = 0, nesterov, betas, decay } = record
  const of = record.lossOf === 'counts' ? ' of counts' : ''
  /** A number, and what was given where that differs. */
  const scaled = (value: number, asked: number): string => {
    const short = Number(value.toPrecision(6))
    return short === Number(asked.toPrecision(6)) ? `${short}` : `${short} (${asked} for ${lrFor})`
  }
  return [
    `${optimizer.kind}, learning rate ${scaled(optimizer.lr, record.lr)}`,
    ...(nesterov ? ['nesterov'] : []),
    ...(betas === undefined ? [] : [`betas ${betas.join(' and ')}`]),
    `weight decay ${Number(optimizer.weightDecay.toPrecision(6))}` +
      (decay === 'all' ? ' of all' : ''),
    `${schedule}${warmup === undefined ? '' : ` after ${warmup} epochs of warm-up`}`,
    ...(loss === 'crossEntropy' && of === '' ? [] : [`loss ${loss}${of}`]),
    ...(weight === undefined ? [] : [`penalty ${weight} towards rate ${rateTarget}`]),
    ...(clipNorm === undefined
      ? []
      : [`gradients of norm ${scaled(fit.clipNorm ?? clipNorm, clipNorm)} at most`]),
    ...(accumulate === undefined ? [] : [`${accumulate} batches a step`]),
    ...(ema === undefined ? [] : [`averages ${ema}`]),
    ...(freeze === undefined ? [] : [`frozen ${freeze.join(', ')}`]),
  ].join(', ')
}
