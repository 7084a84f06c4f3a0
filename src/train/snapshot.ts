/** All that a training needs to go on, to the bit: taken from a session, and put back. */

import { describe, fail, quote } from '../base/errors.js'
import { segmentOf } from '../compile/context.js'
import { methodOptionKeys } from '../compile/methods.js'
import { type Dataset, describedBy } from '../data/datasets/dataset.js'
import { changesOf } from '../data/plain.js'
import {
  optimizerState,
  partOf,
  prefixed,
  type StateDict,
  stateDict,
  takeOptimizerState,
  takeState,
} from '../engine/memory/state.js'
import type { TrainingOptions } from '../engine/run/training.js'
import {
  noSteps,
  type StepState,
  stepState,
  stepStateOf,
  takeStepState,
} from '../engine/run/update.js'
import type { Session } from '../engine/session.js'
import * as v from '../engine/vendor/valibot/index.js'
import type { CheckpointContent } from '../files/checkpoint.js'
import { graphToJson } from '../network/json.js'
import type { Labels } from '../network/labels.js'
import { constant, type Schedule } from '../network/optimizer.js'
import { fingerprint } from './fingerprint.js'
import type { EpochRecord } from './records.js'

// Whether a checkpoint says what one of a training does. A right hash does not tell that.

const count = v.pipe(v.number(), v.safeInteger(), v.minValue(0))
const isPlain = (value: unknown): boolean =>
  typeof value === 'object' && value !== null && !Array.isArray(value)
const plain = v.custom<Setting>(isPlain)
const rates = v.custom<Record<string, number>>(
  (value) => isPlain(value) && Object.values(value as object).every((x) => typeof x === 'number'),
)

/** In JSON, null stands for what is not finite. */
const figure = v.nullable(v.number())

const measured = v.custom<Record<string, number | null>>(
  (value) => isPlain(value) && Object.values(value as object).every((x) => v.is(figure, x)),
)

const record = v.looseObject({
  epoch: count,
  trainLoss: figure,
  trainAccuracy: v.optional(figure),
  testLoss: v.optional(figure),
  testAccuracy: v.optional(figure),
  testMeanAbsoluteError: v.optional(figure),
  metrics: v.optional(measured),
  learningRate: figure,
  stepMs: figure,
  dataWaitMs: figure,
  samplesPerSecond: figure,
  firingRates: rates,
  silent: v.optional(v.array(v.string())),
})

const schema = v.object({
  /** Version of the package that wrote it. */
  version: v.string(),
  setting: plain,
  /** The first epoch of the run, and the one at which it ends. */
  first: count,
  epochs: count,
  /** Training steps of the model so far: random numbers depend on it. */
  steps: count,
  progress: v.object({
    epoch: count,
    step: count,
    sums: v.object({
      steps: count,
      loss: v.number(),
      correct: count,
      answers: v.optional(count),
      seen: count,
      rates,
    }),
    data: v.optional(v.string()),
  }),
  /** What the optimizer keeps beside arrays. */
  optimizer: v.optional(v.custom<StepState>((value) => stepStateOf(value) !== undefined)),
  /** Complete epochs. One by one: there may be ten thousands, and each copy would stay. */
  records: v.custom<readonly EpochRecord[]>((value) => Array.isArray(value)),
  /** What callbacks keep, by name; as `encodeState` gives it. */
  callbacks: plain,
  /** Why nothing is left to do: 'finished', or why a callback has stopped the training. */
  ended: v.optional(v.string()),
})

/** @throws SpikewasmError unless a checkpoint's JSON is that of a training */
export function checkSnapshot(content: CheckpointContent, name: string): Snapshot {
  // All issues of a file that was made to have many would fill the memory.
  const { success, issues } = v.safeParse(schema, content.about, { abortEarly: true })
  const place = success
    ? contradiction((content as Snapshot).about)
    : (v.getDotPath(issues[0]) ?? 'its root')
  if (place !== undefined)
    fail(
      `${name}: must be a checkpoint of a training, got one that says other things at ` +
        `${quote(place)}; use one that fit or train has written`,
    )
  const snapshot = content as Snapshot
  for (const record of snapshot.about.records as unknown as Record<string, unknown>[])
    for (const of of [record, (record.metrics ?? {}) as typeof record])
      for (const key of Object.keys(of)) if (of[key] === null) of[key] = Number.NaN
  return snapshot
}

/** Where it contradicts itself. */
function contradiction({ first, epochs, progress, records, setting }: Snapshot['about']) {
  const { epoch, step, sums } = progress
  if (first > epoch || epoch > epochs) return 'progress.epoch'
  if (records.length !== epoch - first) return 'records'
  const wrong = records.findIndex((of, i) => !v.is(record, of) || of.epoch !== first + i + 1)
  if (wrong >= 0) return `records.${wrong}`
  const { data, batchSize } = setting as { data?: { length?: unknown }; batchSize?: unknown }
  const steps = Number(data?.length) / Number(batchSize)
  if (sums.steps !== step || step > Math.ceil(steps)) return 'progress.step'
  return undefined
}

// Records of epochs as lines of JSON.

export const encode = (text: string): Uint8Array => new TextEncoder().encode(text)

export const lineOf = (record: EpochRecord): Uint8Array => encode(`${JSON.stringify(record)}\n`)

/** What does not change, as JSON: there may be ten thousands of records. */
const texts = new WeakMap<object, string>()

/** An object as JSON; it must not change any more, because it is asked for again and again. */
function jsonOnce(value: object): string {
  const text = texts.get(value) ?? JSON.stringify(value)
  texts.set(value, text)
  return text
}

/** What a training's numbers depend on, beside those that it has learnt. Plain data. */
export type Setting = Readonly<Record<string, unknown>>

type About = Readonly<v.InferOutput<typeof schema>>

/** A checkpoint's content. */
export interface Snapshot extends CheckpointContent {
  readonly about: About
}

/** What a training gives its callbacks; its inside is ours. */
export const snapshotOf = (training: { snapshot(): CheckpointContent }): Snapshot =>
  training.snapshot() as Snapshot

/** What else than the session a snapshot is taken of. */
export interface SnapshotParts extends Omit<About, 'steps' | 'optimizer' | 'ended'> {
  /** Arrays that callbacks keep, by their names. */
  readonly callbackTensors: Readonly<Record<string, StateDict>>
}

/** Where the arrays of a callback are; a name may hold any character. */
const prefixOf = (callback: string): string =>
  `callback.${encodeURIComponent(callback).replaceAll('.', '%2E')}.`

/** The arrays that a callback keeps. */
export const tensorsOf = ({ tensors }: Snapshot, callback: string): StateDict =>
  partOf(tensors, prefixOf(callback))

/** A copy of everything; the session may go on at once. */
export function takeSnapshot(session: Session, parts: SnapshotParts): Snapshot {
  const { progress, records, callbacks, callbackTensors, ...rest } = parts
  return {
    tensors: Object.assign(
      prefixed('model.', stateDict(session)),
      ...Object.entries(optimizerState(session)).map(([state, of]) =>
        prefixed(`optimizer.${state}.`, of),
      ),
      ...Object.entries(callbackTensors).map(([name, of]) => prefixed(prefixOf(name), of)),
    ),
    about: {
      // What never changes is not copied.
      ...rest,
      progress: structuredClone(progress),
      steps: session.steps,
      optimizer: stepState(session),
      records: records.filter(({ partial }) => !partial),
      callbacks,
    },
  }
}

/**
 * What a snapshot's file holds beside arrays, as JSON and lines. The setting and the records of a
 * run are many, and stay as they are.
 */
export function textOf({ about }: Snapshot): { readonly text: string; readonly lines: Uint8Array } {
  const { setting, records, ...rest } = about
  const parts = Object.keys(about)
    .filter((key) => key !== 'records')
    .map((key) =>
      key === 'setting'
        ? `"setting":${jsonOnce(setting)}`
        : // Undefined ones have no text.
          JSON.stringify({ [key]: rest[key as keyof typeof rest] }).slice(1, -1),
    )
  return {
    text: `{${parts.filter((part) => part !== '').join(',')}}`,
    lines: encode(records.map((record) => `${jsonOnce(record)}\n`).join('')),
  }
}

/** Puts a snapshot's numbers into a session that is planned for them. */
export function restoreSnapshot(session: Session, { tensors, about }: Snapshot): void {
  takeState(session, partOf(tensors, 'model.'))
  const states = Object.keys(session.plan.named.training?.states ?? {})
  const kept = states.map((state) => [state, partOf(tensors, `optimizer.${state}.`)])
  takeOptimizerState(session, Object.fromEntries(kept))
  const numbers = about.optimizer ?? noSteps
  takeStepState(session, numbers)
  session.accumulated = numbers.accumulated
  session.steps = about.steps
}

/**
 * What numbers depend on: two trainings of equal settings give equal bits. What a function of one's
 * own does cannot be compared: that of a schedule, or of a data set, must be the same.
 */
export function settingOf(
  session: Session,
  data: Dataset,
  options: TrainingOptions & {
    readonly schedule?: Schedule
    readonly dropLast?: boolean
    readonly labels?: Labels
    readonly validation?: Dataset
    readonly rounds?: object
  },
): Setting {
  const { schedule, validation, labels } = options
  const { optimizer, loss, penalties, clipNorm, accumulate, ema, freeze } = options
  const { kind = 'a function', by = 'epoch', options: of } = schedule ?? constant()
  return JSON.parse(
    JSON.stringify({
      ...modelSetting(session),
      // What means the same is the same here.
      optimizer: {
        ...optimizer,
        groups: optimizer.groups.map((group) => ({ ...group, params: [group.params].flat() })),
      },
      loss,
      clipNorm,
      ema,
      penalties: penalties?.map((penalty) => ({ ...penalty, layers: [penalty.layers].flat() })),
      dropLast: options.dropLast ?? true,
      accumulate: accumulate === 1 ? undefined : accumulate,
      freeze: freeze === undefined ? undefined : [freeze].flat(),
      schedule: { kind, by, options: of },
      data: { ...describeData(data), ...(labels && { classNames: labels.names }) },
      validation: validation && describeData(validation),
      rounds: options.rounds,
    }),
  )
}

/** What the numbers of a model depend on, beside its parameters. */
export function modelSetting(session: Session): Setting {
  const { plan, graph, input, timeSteps, batchSize, seed, frames, settings } = session
  const { options } = plan
  const all = Object.fromEntries(methodOptionKeys.map((key) => [key, options[key]]))
  const method = { ...all, truncate: segmentOf(options) }
  const { weights } = settings
  return { network: graphToJson(graph), input, timeSteps, batchSize, seed, frames, method, weights }
}

const describeData = (data: Dataset) => ({
  ...describedBy(data),
  normalization: data.pixels?.normalization,
  targets: data.targets?.size,
  samples: fingerprint(data),
  changes: changesOf(data),
})

/** What data are called is for people: the same data may lie elsewhere, under another name. */
const named = ['name', 'classNames']

/** What of a setting tells trainings apart: equal ones give equal bits. */
export function identityOf(setting: Setting): Setting {
  const unnamed = (part: unknown): unknown =>
    typeof part === 'object' && part !== null
      ? Object.fromEntries(Object.entries(part).filter(([key]) => !named.includes(key)))
      : part
  const data = ['data', 'validation'].filter((key) => Object.hasOwn(setting, key))
  const parts = Object.fromEntries(data.map((key) => [key, unnamed(setting[key])]))
  // Checkpoints from before weights could be whole numbers do not say it.
  const { weights = 'f32', ...rest } = setting
  return { ...rest, ...parts, weights }
}

/** @throws SpikewasmError that lists what differs */
export function expectSameSetting(found: Setting, own: Setting): void {
  const differences = [...differing(identityOf(found), identityOf(own), '')]
  const isSamples = /^(data|validation)\.samples /
  if (differences.length !== 0 && differences.every((text) => isSamples.test(text)))
    fail(
      'fit.resume: the data must have the samples that the checkpoint was made with, got others ' +
        `(${differences.join(', ')}); give the same data. A read of one's own must give the same ` +
        'sample for the same index: random changes belong into augment',
    )
  if (differences.length !== 0)
    fail(
      'fit.resume: the checkpoint was made by another training; it has ' +
        `${differences.slice(0, 5).join(', ')}${differences.length > 5 ? ', …' : ''}; give the ` +
        'same network, data and options',
    )
}

/** `seed 1 instead of 2`, for each place in plain data where two differ. */
function* differing(found: unknown, own: unknown, path: string): Generator<string> {
  const isObject = (x: unknown): x is Record<string, unknown> => typeof x === 'object' && x !== null
  if (isObject(found) && isObject(own)) {
    for (const key of new Set([...Object.keys(found), ...Object.keys(own)]))
      yield* differing(found[key], own[key], path === '' ? key : `${path}.${key}`)
  } else if (found !== own) yield `${path} ${describe(found)} instead of ${describe(own)}`
}
