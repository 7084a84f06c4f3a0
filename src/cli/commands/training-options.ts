/** How `train` learns: what its options mean for `fit`, and in options.json. */

import { fail } from '../../base/errors.js'
import { type BuiltIn, isText, lossKind } from '../../compile/loss-kind.js'
import {
  type Method,
  type MethodOptions,
  methodsTaking,
  takenOptions,
} from '../../compile/methods.js'
import * as kinds from '../../compile/optimizer-kind.js'
import type { Split } from '../../data/index.js'
import { compile } from '../../model/compile.js'
import * as optimizers from '../../network/optimizer.js'
import { custom } from '../../nn/loss/custom.js'
import { type Loss, ratePenalty } from '../../nn/loss/kinds.js'
import { earlyStopping } from '../../train/callbacks/early-stopping.js'
import { comparableLr } from '../../train/comparable-lr.js'
import { splitOf } from '../../train/fit.js'
import { datasets } from '../datasets.js'
import { stepsFor } from '../load-data.js'
import type { NetworkSource } from '../own-model.js'
import { defined, expectUse, given, pick, present } from '../spec.js'
import type { TrainArguments } from './training-flags.js'
import * as flags from './training-flags.js'

type TrainingRecord = flags.TrainingRecord

type Schedule = optimizers.Schedule
const { constant, cosine, linearWarmup, oneCycle, plateau, stepDecay } = optimizers
/** Schedules that need no number of epochs. */
const plain = { constant, cosine, oneCycle, plateau }

/** What of the other options it depends on. */
export interface TrainingContext {
  readonly method: Method
  readonly timeSteps: number
  /** K of sltt; other methods have none, or all. */
  readonly backwardSteps?: number
  readonly epochs: number
  /** Learning rate and decay of SGD for the data set. */
  readonly defaults: { readonly lr: number; readonly weightDecay: number }
}

/** What the options mean. */
export type TrainingSetup = ReturnType<typeof trainingOf>

/** @throws SpikewasmError for an option that would do nothing */
export function trainingOf(args: flags.TrainingArguments, context: TrainingContext) {
  expectUse(flags.trainingSpecs, args)
  const record = recordOf(args, context)
  const { warmup, accumulate, ema, freeze, validationSplit } = record
  const { ratePenalty: weight, rateTarget: target, monitor } = record
  // What is scaled up with the learning rate is clipped at a norm that is scaled down.
  const clipNorm = record.clipNorm && record.clipNorm / factorOf({ ...context, ...record })
  const penalties = weight === undefined ? undefined : [ratePenalty(defined({ weight, target }))]
  const loss = lossOf(record)
  const { earlyStopping: patience } = record
  return {
    optimizer: optimizerOf({ ...context, ...record }),
    schedule: scheduleOf(record.schedule, warmup, context.epochs),
    fit: defined({ loss, penalties, clipNorm, accumulate, ema, freeze, validationSplit }),
    /** Those that options ask for; those of its folder come behind. */
    callbacks: patience === undefined ? [] : [earlyStopping(defined({ patience, monitor }))],
    /** For options.json; this function gives the same again from it. */
    record,
  }
}

function recordOf(args: flags.TrainingArguments, { defaults }: TrainingContext): TrainingRecord {
  const { optimizer = 'sgd', schedule = 'cosine', loss = 'crossEntropy' } = args
  const isSgd = optimizer === 'sgd'
  const own = isSgd ? defaults : kinds.optimizerOf('--optimizer', optimizer)
  const { lr = own.lr, weightDecay = own.weightDecay } = args
  if (weightDecay === 0) refuse('--decay', args.decay, 'a --weight-decay of 0; give both')
  const { momentum = isSgd ? 0.9 : undefined } = args
  const all = { ...args, optimizer, schedule, loss, lr, weightDecay, momentum }
  return { ...given({ ...flags.trainingSpecs, ...flags.monitorSpecs }, all), lr, weightDecay }
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
export function optimizerOf(run: TrainingRecord & GradientContext): kinds.Optimizer {
  const { optimizer, decay } = run
  const factor = factorOf(run)
  const [lr, weightDecay] = [run.lr * factor, run.weightDecay / factor]
  const kind = flags.kindNamed(optimizer)
  const own = kind === 'rule' ? { text: optimizer } : given(flags.ownSpecsOf(kind), run)
  return kinds.optimizerKind(kind).make({ ...own, lr, weightDecay, decay })
}

/** What a run makes small. */
export const lossOf = ({ loss, lossOf: of, ...record }: TrainingRecord): Loss =>
  isText(loss)
    ? custom(loss)
    : lossKind(loss as BuiltIn).make(defined({ of, ...given(flags.lossSpecs, record) }))

function scheduleOf(
  name: TrainingRecord['schedule'],
  warmup: number | undefined,
  epochs: number,
): Schedule {
  const over = (n: number): Schedule =>
    name === 'stepDecay' ? stepDecay(Math.max(1, Math.ceil(n / 3))) : plain[name]()
  if (warmup === undefined) return over(epochs)
  if (name === 'oneCycle')
    refuse('--warmup', warmup, '--schedule oneCycle, which has a warm-up of its own')
  if (warmup >= epochs)
    fail(`--warmup must be less than the number of epochs, ${epochs}, got ${warmup}`)
  return linearWarmup(warmup, over(epochs - warmup))
}

/** @throws SpikewasmError for an option that would do nothing */
function refuse(option: string, value: unknown, why: string): void {
  if (value !== undefined) fail(`${option} must be left out with ${why}, got ${value}`)
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
  const decays = `weight decay ${Number(optimizer.weightDecay.toPrecision(6))}`
  return present([
    `${record.optimizer}, learning rate ${scaled(optimizer.lr, record.lr)}`,
    nesterov && 'nesterov',
    betas && `betas ${betas.join(' and ')}`,
    decay === 'all' ? `${decays} of all` : decays,
    `${schedule}${warmup === undefined ? '' : ` after ${warmup} epochs of warm-up`}`,
    (loss !== 'crossEntropy' || of !== '') && `loss ${loss}${of}`,
    weight !== undefined && `penalty ${weight} towards rate ${rateTarget}`,
    clipNorm && `gradients of norm ${scaled(fit.clipNorm ?? clipNorm, clipNorm)} at most`,
    accumulate && `${accumulate} batches a step`,
    ema !== undefined && `averages ${ema}`,
    freeze && `frozen ${freeze.join(', ')}`,
  ]).join(', ')
}

/** How gradients are computed; a step mode belongs to the method that it was chosen for. */
export const methodFor = (args: MethodOptions, own: MethodOptions): MethodOptions =>
  args.method === undefined
    ? { method: own.method, stepMode: args.stepMode ?? own.stepMode }
    : pick(args, 'method', 'stepMode')

/** Options of a method that it does not take are complete in a run's folder; they do nothing. */
export function takenHere(run: MethodOptions): MethodOptions {
  const { update, backwardSteps, gradientCheckpoint, truncate } = takenOptions(run)
  return { update, backwardSteps, gradientCheckpoint, truncate }
}

/** What a model and its training follow from. */
type PreparedBy = flags.TrainingArguments &
  Partial<TrainArguments> &
  Pick<TrainArguments, 'dataset' | 'tau' | 'method' | 'seed'>

/** The model of a run, and how it learns from data. */
export async function prepare(args: PreparedBy, data: Split, { name, make }: NetworkSource) {
  const { dataset, tau, method, backwardSteps } = args
  const { defaults } = datasets[dataset]
  const { epochs = defaults.epochs } = args
  const { timeSteps, ...framed } = stepsFor(data.train, args.timeSteps)
  const training = trainingOf(args, { method, timeSteps, backwardSteps, epochs, defaults })
  const { data: part, validation = data.test } = splitOf(data.train, training.fit)
  const { batchSize = Math.min(defaults.batchSize, part.length) } = args
  const { shape: input, classes } = data.train
  const { network, json } = await make({ input, classes, timeSteps, tau })
  const model = await compile(network, {
    input,
    timeSteps,
    ...framed,
    batchSize,
    ...pick(args, 'threads', 'seed', 'method', 'stepMode', 'update', 'weights'),
    ...pick(args, 'backwardSteps', 'gradientCheckpoint', 'truncate'),
  })
  /** How many train the model, and how many test it after each epoch. */
  const samples = { training: part.length, validation: validation.length }
  const steps = { timeSteps, ...framed }
  return { model, name, network: json, training, samples, epochs, batchSize, steps }
}
