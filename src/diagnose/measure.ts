/**
 * Measures the claims of the paper on rate-based backpropagation (Yu et al., NeurIPS 2024) on the
 * user's network and data.
 */

import { checkBoolean, describe, fail } from '../base/errors.js'
import { mean, median } from '../base/numbers.js'
import { own } from '../base/objects.js'
import { checkSteps } from '../compile/methods.js'
import { Batches } from '../data/batches.js'
import type { Dataset, Split } from '../data/datasets/dataset.js'
import { cosineOf } from '../engine/memory/arena.js'
import type { StateDict } from '../engine/memory/state.js'
import { Child } from '../engine/node/child.js'
import { nonFinite } from '../engine/run/non-finite.js'
import type { Session } from '../engine/session.js'
import { type CompileOptions, compile } from '../model/compile.js'
import type { Model } from '../model/model.js'
import { graphToJson, type NetworkJson } from '../network/json.js'
import { kindOf } from '../network/kind.js'
import type { Module } from '../network/module.js'
import { cosine } from '../network/optimizer.js'
import { trace } from '../network/trace.js'
import { type InputShape, sizeOf } from '../network/value.js'
import type { WeightType } from '../network/weights.js'
import { identity } from '../nn/layers/index.js'
import { type Sgd, sgd } from '../nn/optimizers.js'
import { codeFile } from '../package-files.js'
import { comparableLr } from '../train/comparable-lr.js'
import { checkDataset } from '../train/evaluate.js'
import * as diagnosis from './diagnosis.js'
import type { DiagnoseCalls, ProcessJob } from './process-child.js'

// A training step measured in a process of its own: what the system gives it, and its time.

/** A process that takes longer is ended. */
const PATIENCE_MS = 600_000

/** A network as another process can make it again. */
export const describeNetwork = (network: Module, input: InputShape): NetworkJson =>
  graphToJson(trace(network, input))

/**
 * Measures in a new process, which is then gone.
 *
 * @param job undefined: a process that only loads the package
 * @param what messages call it
 * @throws SpikewasmError when the process ends without an answer
 */
export async function measureProcess(
  job?: ProcessJob,
  what = 'the package alone',
): Promise<diagnosis.ProcessCost> {
  const file = codeFile('diagnose/process-child.js')
  const child = new Child<DiagnoseCalls>(file, { execArgv: [], timeout: PATIENCE_MS })
  try {
    return await child.call('measure', job)
  } catch (error) {
    const { message } = error as Error
    const why = child.failure ? `${message} before it had measured` : `failed: ${message}`
    fail(`diagnose: the process that measures ${what} ${why}`)
  } finally {
    await child.end()
  }
}

/**
 * Milliseconds; tests change them. WebAssembly starts in a slow tier, so every kernel runs for a
 * while before it is timed. Each of the two measurements takes about `measure`; that of a process
 * of its own takes about `process`.
 */
export const durations = { warmUp: 250, measure: 250, process: 500 }

/**
 * Times training steps at learning rate 0, so that the network and its firing rates do not change.
 *
 * @param fill writes a batch into a slot
 */
export async function measureCost(
  model: Model,
  fill: (slot: ReturnType<Session['slot']>) => Promise<void>,
): Promise<Omit<diagnosis.Cost, 'method' | 'timeSteps'>> {
  await fill(model.session.slot(0))
  const step = (): Promise<unknown> => model.session.run('train', 0, model.batchSize, 0)
  await diagnosis.timeRepeated(step, durations.warmUp)
  const stepMs = median(await diagnosis.timeRepeated(step, durations.measure))
  const [first] = await diagnosis.timeRepeated(() => model.profile(1), 0)
  const phases = { forward: 0, backward: 0, update: 0 }
  const repeats = Math.round(Math.min(51, Math.max(5, durations.measure / first)))
  for (const { phase, milliseconds } of await model.profile(repeats)) phases[phase] += milliseconds
  const { kept, total } = model.memoryUse
  return {
    forwardMs: phases.forward,
    backwardMs: phases.backward,
    updateMs: phases.update,
    stepMs,
    keptBytes: kept,
    totalBytes: total,
  }
}

// Spikes of a trained network, for a raster and for rates over time.

/** Rows of a raster: more would run into each other. */
const MOST_ROWS = 100
/** Samples that rates are the mean of. */
const SAMPLES = 64

/**
 * Spikes of the first sample, and rates of the first 64.
 *
 * @param model compiled with `record`
 */
async function activityOf(model: Model, data: Dataset): Promise<diagnosis.Activity> {
  const one = await model.monitor(data, { limit: 1 })
  const many = await model.monitor(data, { limit: SAMPLES, keep: 'rates' })
  const { timeSteps: T } = one
  const layers = Object.entries(one.layers).map(([name, { shape, spikes, stepRates }]) => {
    const neurons = sizeOf(shape)
    const rows = Math.min(neurons, MOST_ROWS)
    const fires = (row: number, t: number): boolean =>
      spikes![Math.floor((row * neurons) / rows) * T + t] !== 0
    const fired = Array.from({ length: rows * T }, (_, i) => [Math.floor(i / T), i % T]).filter(
      ([row, t]) => fires(row, t),
    )
    const layer: diagnosis.LayerActivity = {
      neurons,
      rows,
      spikeRows: fired.map(([row]) => row + 1),
      spikeSteps: fired.map(([, t]) => t + 1),
      sampleRates: [...stepRates],
      rates: [...many.layers[name].stepRates],
    }
    return [name, layer] as const
  })
  return {
    timeSteps: T,
    dataset: data.name,
    samples: many.samples,
    ...(one.labels ? { label: one.labels[0] } : {}),
    predicted: one.classes[0],
    layers: Object.fromEntries(layers),
  }
}

// Compares gradients on batches that BPTT is about to train on: the paper's assumptions, and the
// firing rates of the same passes.

/**
 * Takes every measure as the mean over batches. Parameters stay as they are.
 *
 * @param bptt compiled with method bptt and `inspect`
 * @param rate the same network compiled with method rate for the same T and batch size; gets the
 *   state of `bptt`
 * @param fill writes batch i into a slot
 */
export async function probe(
  bptt: Model,
  rate: Model,
  fill: (batch: number, slot: ReturnType<Session['slot']>) => Promise<void>,
  batches: number,
) {
  rate.loadStateDict(bptt.stateDict())
  const { timeSteps } = bptt
  const factor = comparableLr(1, { from: bptt.method, to: rate.method, timeSteps })
  const [a1, a2, cosines, ratios] = [means(), means(), means(), means()]
  const rates: Record<string, number[]> = {}
  const weights = new Set<string>()
  for (let batch = 0; batch < batches; batch++) {
    for (const model of [bptt, rate]) {
      await fill(batch, model.session.slot(0))
      await model.session.run('gradients', 0, model.batchSize)
    }
    const assumptions = bptt.diagnostics()
    for (const [layer, cosine] of Object.entries(assumptions.a1)) a1.add(layer, cosine)
    for (const [weight, cosine] of Object.entries(assumptions.a2)) a2.add(layerOf(weight), cosine)
    const reference = bptt.gradients()
    for (const [name, { data, shape }] of Object.entries(rate.gradients())) {
      // Those of a normalisation are vectors.
      if (name.endsWith('weight') && shape.length > 1) weights.add(name)
      cosines.add(name, cosineOf(data, reference[name].data))
      ratios.add(name, (factor * norm(data)) / norm(reference[name].data))
    }
    for (const [layer, steps] of Object.entries(bptt.stepRates())) {
      if (!own(rates, layer)) rates[layer] = steps.map(() => 0)
      for (let t = 0; t < steps.length; t++) rates[layer][t] += steps[t] / batches
    }
  }
  const [cosine, normRatio] = [cosines.read(), ratios.read()]
  const names = Object.keys(cosine)
  return {
    a1: a1.read(),
    a2: a2.read(),
    a3: Object.fromEntries([...weights].map((name) => [layerOf(name), cosine[name]])),
    gradients: names.map((parameter) => ({
      parameter,
      cosine: cosine[parameter],
      normRatio: normRatio[parameter],
    })),
    firingRates: rates,
  }
}

/** `layer1.conv.weight` → `layer1.conv` */
export const layerOf = (parameter: string): string =>
  parameter.slice(0, Math.max(0, parameter.lastIndexOf('.')))

const norm = (values: Float32Array): number =>
  Math.sqrt(values.reduce((sum, value) => sum + value * value, 0))

/** Means by name; values that are not finite (zero vectors have no direction) don't count. */
function means() {
  const found = new Map<string, number[]>()
  return {
    add(name: string, value: number): void {
      const values = found.get(name) ?? []
      found.set(name, values)
      if (Number.isFinite(value)) values.push(value)
    },
    read: (): Record<string, diagnosis.Cosine> =>
      Object.fromEntries(
        [...found].map(([name, values]) => [name, values.length === 0 ? null : mean(values)]),
      ),
  }
}

export interface DiagnoseOptions {
  /** Makes the network; called once for each model that is compiled. */
  readonly network: () => Module
  readonly data: Split
  /** Name of the network in reports; default 'network'. */
  readonly name?: string
  /**
   * T, each an integer 1…255; default 1, 2, 4, 8, 16. Of data with
   * frames the number of frames alone.
   */
  readonly timeSteps?: readonly number[]
  /** Methods whose cost is measured; default all. */
  readonly methods?: readonly diagnosis.Variant[]
  /** Default 32. */
  readonly batchSize?: number
  /** Optimizer steps of BPTT for each T; default 200. */
  readonly steps?: number
  /**
   * Optimizer of the training with BPTT. Its learning rate goes from `lr` to 0 along half a cosine.
   * Default `sgd()`.
   */
  readonly optimizer?: Sgd
  /** What weights are that spikes meet, as for `compile`; default 'f32'. */
  readonly weights?: WeightType
  /** Worker threads; default 1. */
  readonly threads?: number
  readonly seed?: number
  /** Measure each method and T in a process of its own too: its peak memory; default false. */
  readonly processes?: boolean
  /** Called with what is being done now. */
  readonly onProgress?: (message: string) => void
}

/** Batches that each cosine is the mean of. */
const PROBES = 4
/** Measurements while training, at equal distances from start to end. */
const POINTS = 6

/**
 * For each T it trains the network with BPTT and measures the paper's three assumptions (A1, A2,
 * A3) on the way. At the end of training it compares the rate gradient of every parameter with that
 * of BPTT, takes firing rates, and measures time and memory of each method. Dropout is off while
 * gradients are compared.
 *
 * @throws SpikewasmError before training starts for options out of range, data that do not match
 *   the network, and a model that does not fit in memory; later when a loss or gradient is not
 *   finite.
 */
export async function diagnose(options: DiagnoseOptions): Promise<diagnosis.Diagnosis> {
  const run = runOf(options)
  checkRun(run)
  const { network, data, name, timeSteps, methods, batchSize, steps, optimizer } = run
  const parameters = await checkModels(run)
  const { shape: input, name: dataset } = data.train
  let activity: diagnosis.Activity | undefined
  const training: diagnosis.TrainingDiagnosis[] = []
  const costs: diagnosis.Cost[] = []
  const fill = stream(data.train, batchSize, run.seed)
  for (const T of timeSteps)
    await using(referenceModel(run, T), async (bptt) => {
      await using(calmModel(run, T, diagnosis.variants[diagnosis.claimed.rate]!), async (rate) => {
        training.push(await train(bptt, rate, fill, run))
      })
      const state = bptt.stateDict()
      if (T === Math.max(...timeSteps))
        await using(calmModel(run, T, { record: true, purpose: 'inference' }), async (model) => {
          model.loadStateDict(state)
          if (model.session.settings.record.length > 0)
            activity = await activityOf(model, data.test)
        })
      for (const method of methods) costs.push(await costOf(run, T, method, state, fill))
    })
  costs.sort((a, b) => methods.indexOf(a.method) - methods.indexOf(b.method))
  return {
    setup: {
      network: name,
      dataset,
      input,
      parameters,
      batchSize,
      steps,
      learningRate: optimizer.lr,
      probes: PROBES,
      timeSteps,
      methods,
      threads: run.threads,
      seed: run.seed,
      ...(run.processes ? { baseBytes: (await measureProcess()).peakBytes } : {}),
      layers: layerTitles(network(), input, training[0]),
    },
    training,
    costs,
    ...(activity && { activity }),
  }
}

type Run = Required<DiagnoseOptions>

/** Options with their defaults; T comes from frames where the data have some. */
function runOf({ processes, ...options }: DiagnoseOptions): Run {
  const { timeSteps: frames } = options.data.train
  const {
    name = 'network',
    timeSteps = frames === undefined ? [1, 2, 4, 8, 16] : [frames],
    methods = diagnosis.variantNames,
    batchSize = 32,
    steps = 200,
    optimizer = sgd(),
    weights = 'f32',
    threads = 1,
    seed = 0,
    onProgress = () => undefined,
  } = options
  const training = { batchSize, steps, optimizer, weights, threads, seed }
  const run = { ...options, name, timeSteps, methods, ...training, onProgress }
  return { ...run, processes: checkBoolean('diagnose.processes', processes, false) }
}

/** @throws SpikewasmError for options out of range, and for data with other frames */
function checkRun({ data, timeSteps, methods, batchSize, steps }: Run): void {
  const { timeSteps: frames, name: dataset, length } = data.train
  const different = (list: readonly unknown[]): boolean =>
    list.length > 0 && new Set(list).size === list.length
  if (!different(timeSteps))
    fail(`diagnose.timeSteps must be one or more different integers, got [${timeSteps.join(', ')}]`)
  if (!different(methods) || !methods.every((method) => diagnosis.variantNames.includes(method)))
    fail(
      `diagnose.methods must be one or more of ${diagnosis.variantNames.join(', ')}, each once, ` +
        `got [${methods.join(', ')}]`,
    )
  if (!(Number.isInteger(steps) && steps >= 1))
    fail(`diagnose.steps must be an integer ≥ 1, got ${steps}`)
  if (!(batchSize <= length))
    fail(
      `diagnose.batchSize must be at most the number of training samples, ${length}, got ` +
        `${batchSize}`,
    )
  if (frames !== undefined && (timeSteps.length !== 1 || timeSteps[0] !== frames))
    fail(
      `diagnose.timeSteps must be [${frames}], the frames of a sample of ${dataset}, got ` +
        `[${timeSteps.join(', ')}]; leave it out`,
    )
  for (const T of timeSteps) expectSteps(T)
}

/**
 * A model that does not fit in memory fails now, not after minutes of training.
 *
 * @returns the number of parameters
 */
async function checkModels(run: Run): Promise<number> {
  const { data, timeSteps, methods } = run
  let parameters = 0
  const check = (model: Model): void => {
    checkDataset(model.session, data.train)
    checkDataset(model.session, data.test)
    parameters = model.parameterCount
  }
  for (const T of timeSteps) {
    await using(referenceModel(run, T), check)
    for (const method of methods) await using(timedModel(run, T, method), check)
  }
  return parameters
}

function optionsOf(
  { data, batchSize, weights, threads, seed }: Run,
  timeSteps: number,
  how: Partial<CompileOptions>,
): CompileOptions {
  const { shape: input, timeSteps: frames } = data.train
  const own = { input, batchSize, weights, threads, seed, timeSteps }
  return { ...own, frames: frames !== undefined, ...how }
}

/** The same weights take part each time. */
const calmModel = (run: Run, T: number, how: Partial<CompileOptions>): Promise<Model> =>
  compile(withoutRandomness(run.network()), optionsOf(run, T, how))

const referenceModel = (run: Run, T: number): Promise<Model> =>
  calmModel(run, T, { inspect: true, ...diagnosis.variants[diagnosis.claimed.reference] })

const timedModel = (run: Run, T: number, method: diagnosis.Variant): Promise<Model> =>
  compile(run.network(), optionsOf(run, T, diagnosis.variants[method]!))

async function costOf(
  run: Run,
  timeSteps: number,
  method: diagnosis.Variant,
  state: StateDict,
  fill: Fill,
): Promise<diagnosis.Cost> {
  const { network, data, processes, onProgress } = run
  onProgress(`T ${timeSteps}: time of ${method}`)
  return await using(timedModel(run, timeSteps, method), async (model) => {
    model.loadStateDict(state)
    const cost = await measureCost(model, (slot) => fill(0, slot))
    if (!processes) return { method, timeSteps, ...cost }
    const { images, labels } = model.session.slot(0)
    const job = {
      network: describeNetwork(network(), data.train.shape),
      options: optionsOf(run, timeSteps, diagnosis.variants[method]!),
      state: model.stateDict(),
      milliseconds: durations.process,
      images: images.slice(),
      labels: Int32Array.from(labels),
    }
    const process = await measureProcess(job, `${method} with T ${timeSteps}`)
    return { method, timeSteps, ...cost, process }
  })
}

/** @throws SpikewasmError for more steps than it measures, or none */
export function expectSteps(T: number): void {
  if (!(Number.isInteger(T) && T >= 1))
    fail(`diagnose.timeSteps must be integers ≥ 1, got ${describe(T)}`)
  checkSteps('diagnose', 'diagnose.timeSteps', T, 'fewer')
}

/** Trains with BPTT and measures on the way. */
async function train(
  bptt: Model,
  rate: Model,
  fill: Fill,
  { data, steps, optimizer, onProgress }: Run,
): Promise<diagnosis.TrainingDiagnosis> {
  const points: diagnosis.Point[] = []
  const measured = new Set(
    Array.from({ length: POINTS }, (_, i) => Math.round((i * steps) / (POINTS - 1))),
  )
  const schedule = cosine()
  bptt.optimizer = optimizer
  let last: Awaited<ReturnType<typeof probe>> | undefined
  for (let step = 0; step <= steps; step++) {
    if (measured.has(step)) {
      onProgress(`T ${bptt.timeSteps}: step ${step} of ${steps} with BPTT`)
      last = await probe(bptt, rate, (batch, slot) => fill(step + batch, slot), PROBES)
      points.push({ step, a1: last.a1, a2: last.a2, a3: last.a3 })
    }
    if (step === steps) break
    await fill(step, bptt.session.slot(0))
    await bptt.session.run('train', 0, bptt.batchSize, optimizer.lr * schedule(step, steps))
    const problem = await nonFinite(bptt.session, 0)
    if (problem !== undefined)
      fail(`BPTT with T ${bptt.timeSteps}, step ${step + 1} of ${steps}: ${problem}`)
  }
  const { gradients, firingRates } = last!
  const { accuracy: testAccuracy = 0 } = await bptt.evaluate(data.test, { operations: false })
  return { timeSteps: bptt.timeSteps, points, gradients, firingRates, testAccuracy }
}

/** Writes a batch, counted over all epochs, into a slot. */
type Fill = (batch: number, slot: ReturnType<Session['slot']>) => Promise<void>

/** Full batches without end, in a new order each epoch. */
function stream(data: Dataset, batchSize: number, seed: number): Fill {
  const batches = new Batches(data, { batchSize, training: true, seed, dropLast: true }, 'slots')
  return async (batch, { images, labels }) => {
    batches.startEpoch(Math.floor(batch / batches.length))
    await batches.prepare(batch % batches.length)
    batches.fill(batch % batches.length, images, labels)
  }
}

/**
 * The same network with identities in place of dropout. Dropout draws new zeros at each run, and
 * two gradients that are to be compared would differ for that reason alone.
 */
export function withoutRandomness(module: Module): Module {
  if (module.kind !== 'block') return kindOf(module).random ? identity() : module
  const { kind, children, forward } = module
  const calm = Object.entries(children).map(([name, child]) => [name, withoutRandomness(child)])
  // A new block, not a copy: nothing of the old block comes along, such as its `compile`.
  return { kind, children: Object.fromEntries(calm), forward }
}

/** Titles by name for the layers that a diagnosis names: `2` → `neurons 2`. */
function layerTitles(
  network: Module,
  input: InputShape,
  { points: [{ a1, a3 }], gradients }: diagnosis.TrainingDiagnosis,
): Record<string, string> {
  const learning = gradients.map(({ parameter }) => layerOf(parameter))
  const named = new Set([...Object.keys(a1), ...Object.keys(a3), ...learning])
  const titles: Record<string, string> = {}
  for (const { name, layer } of trace(network, input).nodes)
    if (layer && named.has(name))
      titles[name] = `${kindOf(layer).model ? 'neurons' : layer.kind} ${name}`
  return titles
}

async function using<T>(
  compiled: Promise<Model>,
  body: (model: Model) => T | Promise<T>,
): Promise<T> {
  const model = await compiled
  try {
    return await body(model)
  } finally {
    await model.dispose()
  }
}
