/** Runs a case and hashes what it gives; compares hashes. */
import { createHash } from 'node:crypto'
import { readFileSync } from 'node:fs'
import {
  type CompileOptions,
  type Dataset,
  fromArrays,
  type Model,
  type StateDict,
  type StepResult,
  sgd,
} from '../../src/index.js'
import { bySample } from '../support/frames.js'
import type { GoldenCase } from './cases.js'
import { integers, labels, madeState, uniform } from './numbers.js'

/** What is compared. Each is the first 16 hex digits of a SHA-256. */
export const parts = ['parameters', 'gradients', 'logits', 'rates', 'losses'] as const
export type Part = (typeof parts)[number]
export type Hashes = Readonly<Record<Part, string>>

/** `golden.json` */
export const goldenFile = new URL('../../../test/golden/golden.json', import.meta.url)
export const renewing =
  'if the numbers are meant to change: npm run golden -- --update --all, and say why in the commit'

export function readGolden(): Record<string, Hashes> {
  return JSON.parse(readFileSync(goldenFile, 'utf8'))
}

export interface Outcome {
  readonly hashes: Hashes
  /** Neuron layers that never spike in training: such a case would test little. */
  readonly silent: readonly string[]
}

/** What a step has told ever since: hashes are of these. */
const found = ({ loss, correct, count }: StepResult) => ({ loss, correct, count })

/** `overrides`: threads and engine. The numbers must not depend on them. */
export async function runCase(
  c: GoldenCase,
  overrides: Pick<CompileOptions, 'threads' | 'engine' | 'revectorize'> = {},
): Promise<Outcome> {
  const model = await c.network().compile({ ...c.options, ...overrides })
  try {
    if (c.start !== 'initial') model.loadStateDict(madeState(model.stateDict(), 3))
    model.optimizer = sgd({ lr: 0.1, decay: 'all', ...c.optimizer })
    const losses: unknown[] = []
    const rates: unknown[] = []
    const spiked = new Set<string>()
    const look = (): void => {
      const now = model.firingRates()
      rates.push(now)
      for (const [name, rate] of Object.entries(now)) if (rate > 0) spiked.add(name)
    }
    if (c.fit) await trainByFit(c, model, losses, rates)
    else
      for (let step = 0; step < c.steps; step++) {
        const { x, y } = batch(model, model.batchSize, 100 + step)
        losses.push(found(await model.trainStep(x, y)))
        look()
      }
    const { x, y } = batch(model, model.batchSize, 50)
    losses.push(found(await model.trainStep(x, y, { update: false })))
    look()
    if (c.options.inspect) rates.push(...inspected(model))
    const gradients = hashState(model.gradients())
    // Not a multiple of the batch; of frames less than one.
    const count = model.batchSize + (model.frames ? -1 : 2)
    const { logits, classes } = await model.predict(batch(model, count, 51).x)
    rates.push(model.firingRates())
    if (!model.frames) {
      const held = data(model, 2 * model.batchSize + 1, 52)
      // What it has told ever since: hashes stay as they are.
      const { loss, accuracy, firingRates, count } = await model.evaluate(held)
      losses.push({ loss, accuracy, firingRates, count })
      rates.push(model.firingRates())
    }
    return {
      hashes: {
        parameters: hashState({
          ...model.stateDict(),
          ...(c.training?.ema !== undefined && averagesOf(model)),
        }),
        gradients,
        logits: hash([logits, classes]),
        rates: hash([JSON.stringify(rates)]),
        losses: hash([JSON.stringify(losses)]),
      },
      silent: Object.keys(model.firingRates()).filter((name) => !spiked.has(name)),
    }
  } finally {
    await model.dispose()
  }
}

/** Under names of their own. */
const averagesOf = (model: Model): StateDict =>
  Object.fromEntries(
    Object.entries(model.averages()).map(([name, entry]) => [`average ${name}`, entry]),
  )

/** Two epochs, and as many by another method where the case names one. */
async function trainByFit(
  c: GoldenCase,
  model: Model,
  losses: unknown[],
  rates: unknown[],
): Promise<void> {
  const training = data(model, c.steps * model.batchSize + 1, 60)
  const validation = data(model, model.batchSize + 1, 61)
  for (const method of c.thenBy ? [{}, c.thenBy] : [{}]) {
    const { epochs } = await model.fit(training, {
      epochs: 2,
      optimizer: model.optimizer,
      schedule: (epoch) => 1 / 2 ** epoch,
      validation,
      onStep: ({ loss, meanAccuracy }) => losses.push(loss, meanAccuracy),
      ...c.training,
      ...method,
    })
    for (const { trainLoss, trainAccuracy, testLoss, testAccuracy, firingRates } of epochs) {
      losses.push([trainLoss, trainAccuracy, testLoss, testAccuracy])
      rates.push(firingRates)
    }
  }
}

/** What `inspect` makes readable after a training step. */
function inspected(model: Model): unknown[] {
  const layers = Object.keys(model.firingRates()).map((name) => {
    const { rate, eligibility } = model.activity(name)
    return hash(eligibility ? [rate, eligibility] : [rate])
  })
  const through = model.method === 'bptt' ? [model.diagnostics()] : []
  return [...layers, model.stepRates(), ...through]
}

const sampleSize = ({ input, frames, timeSteps }: Model): number =>
  input.reduce((a, b) => a * b, 1) * (frames ? timeSteps : 1)

function batch(model: Model, count: number, seed: number): { x: Float32Array; y: Int32Array } {
  const next = integers(seed)
  const x = uniform(count * sampleSize(model), -2, 2, next)
  return {
    // Numbers were drawn step by step ever since: hashes stay as they are.
    x: model.frames ? bySample(x, model.timeSteps, count) : x,
    y: labels(count, model.classes, next),
  }
}

function data(model: Model, count: number, seed: number): Dataset {
  const { x, y } = batch(model, count, seed)
  return fromArrays({
    name: 'golden',
    images: x,
    labels: [...y],
    shape: model.input,
    classes: model.classes,
  })
}

function hash(values: readonly (string | Float32Array | Int32Array)[]): string {
  const sum = createHash('sha256')
  for (const value of values)
    sum.update(
      typeof value === 'string'
        ? value
        : new Uint8Array(value.buffer, value.byteOffset, value.byteLength),
    )
  return sum.digest('hex').slice(0, 16)
}

/** Names, shapes and numbers, sorted by name. */
function hashState(state: StateDict): string {
  return hash(
    Object.keys(state)
      .sort()
      .flatMap((name) => [`${name} ${JSON.stringify(state[name].shape)}\n`, state[name].data]),
  )
}

/** One line for each part that is not as expected; none when all are. */
export function differences(expected: Hashes | undefined, got: Hashes): string[] {
  if (!expected) return ['not in golden.json']
  return parts
    .filter((part) => expected[part] !== got[part])
    .map((part) => `${part}: expected ${expected[part]}, got ${got[part]}`)
}
