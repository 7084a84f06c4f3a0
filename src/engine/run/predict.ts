/** Outputs of any number of samples, batch by batch; a few samples one by one. */

import { checkOptions, checkSignal, fail } from '../../base/errors.js'
import type * as host from '../../base/host.js'
import { copyOf } from '../../base/objects.js'
import { checkBy, oneOf } from '../../base/rules.js'
import type { Plan, Program, ProgramName } from '../../compile/plan.js'
import type { Buffer } from '../../kernels/records/words.js'
import { keepBuffers, output, predictions, programOf, stepOutputs } from '../memory/arena.js'
import type { Session } from '../session.js'
import { breathe } from '../threads/breathe.js'
import { inTurn } from '../threads/calls.js'
import { runsHere } from '../threads/processors.js'
import { expectNumbers, fillSlot } from './batch.js'
import { expectFiniteOutput } from './non-finite.js'
import { outputsOf } from './outputs.js'
import { wantsAverages, withAverages } from './update.js'

/** What `predict` returns for n samples. */
export interface Prediction {
  /**
   * Time mean of the last layer's output, [n, classes], row by row; with `of: 'steps'` its output
   * at each step, [n, T, classes], as `spikes` has them.
   */
  readonly logits: Float32Array
  /** Index of the largest logit of each sample, [n], or of each step, [n, T]. */
  readonly classes: Int32Array
  /** What these classes are called, by `model.labels`; without those their numbers. */
  readonly labels: readonly string[]
  /**
   * How sure the network is of each class: the softmax of each row of `logits`, as cross entropy
   * has it. Of outputs that are no classes it means nothing.
   */
  readonly probabilities: Float32Array
  /**
   * Time means of all outputs by their names, [n, classes of it], of a network with several whose
   * loss is `custom` or whose `forward` was called. Absent for others.
   */
  readonly outputs?: Readonly<Record<string, Float32Array>>
}

/** Options of `predict`. */
export interface PredictOptions {
  /**
   * 'mean': outputs are means over time. 'steps': those of each time step; the first such call
   * plans the model anew, with memory for batch · T · classes floats. Default 'mean'.
   */
  of?: 'mean' | 'steps'
  /** Ends it: while it waits for its turn, and between two batches. It rejects with the reason. */
  signal?: host.AbortSignal
  /**
   * Predicts with the moving averages that `fit` keeps with `ema`, in place of the parameters,
   * which stay as they are. Default false.
   */
  averages?: boolean
}

/**
 * `Model.predict`. A few samples run one by one, more of them as a batch (`Plan.singles`); their
 * bits are the same.
 */
export async function predict(
  session: Session,
  x: Float32Array,
  options: PredictOptions = {},
): Promise<Prediction> {
  session.checkAlive()
  programOf(session, 'evaluate')
  checkOptions('predict', options, ['averages', 'of', 'signal'])
  const { averages, of = 'mean', signal } = options
  checkSignal('predict.signal', signal)
  checkBy('predict.of', oneOf(['mean', 'steps']), of)
  const n = countOf(session, x)
  const run = (given: Float32Array): Promise<Prediction> => {
    const averaged = wantsAverages('predict.averages', session, averages)
    // What one batch holds has been read when the first run is awaited.
    const planned = of === 'steps' && session.otherPlan(undefined, { stepOutputs: true })
    const isRead = n <= session.batchSize && !averaged && !planned
    const samples = isRead || given !== x ? given : copyOf(x)
    const all = (): Promise<Prediction> => predictAll(session, samples, n, of, signal)
    const run = () => (averaged ? withAverages(session, all) : all())
    return planned ? session.follow(planned).then(run) : run()
  }
  return inTurn(session, [x], run, signal)
}

/** @throws SpikewasmError for what holds no samples */
function countOf(session: Session, x: Float32Array): number {
  expectNumbers('x', x)
  const { asked, frames, imageFloats, timeSteps } = session
  const n = x.length / imageFloats
  if (!(Number.isInteger(n) && n > 0))
    fail(
      `x must hold samples of [${[...(frames ? [timeSteps] : []), ...asked].join(', ')}] = ` +
        `${imageFloats} numbers each, got ${x.length}`,
    )
  return n
}

async function predictAll(
  session: Session,
  x: Float32Array,
  n: number,
  of: 'mean' | 'steps',
  signal: host.AbortSignal | undefined,
): Promise<Prediction> {
  const { batchSize, timeSteps, classes: outputs } = session
  const rows = of === 'steps' ? timeSteps : 1
  const logits = new Float32Array(n * rows * outputs)
  const classes = new Int32Array(n * rows)
  const all = new Map<string, Float32Array>()
  for (let first = 0; first < n; first += batchSize) {
    if (first > 0 && runsHere(session.workersOf('evaluate'))) await breathe()
    signal?.throwIfAborted()
    const count = Math.min(batchSize, n - first)
    const singly = count <= session.plan.singles.most
    fillSlot(session, x, undefined, count, { pad: !singly, first })
    const program = singly ? 'single' : 'evaluate'
    await session.run(program, 0, count)
    const given = output(session, timeSteps, count)
    expectFiniteOutput(session, given, (row) => `sample ${first + row}`)
    const each = of === 'steps' ? stepOutputs(session, count) : given
    logits.set(each, first * rows * outputs)
    const answers = of === 'steps' ? greatest(each, outputs) : predictions(session)
    classes.set(answers.subarray(0, count * rows), first * rows)
    // Those of the last call have the means of all.
    const probes = programOf(session, program).outputs?.at(-1) ?? []
    if (probes.length < 2) continue
    const means = probes.map((probe) => ({ ...probe, ofSteps: false }))
    const { outputs: named } = await outputsOf(session, means)
    for (const [name, values] of Object.entries(named)) {
      const width = values.length / batchSize
      const own = values.subarray(0, count * width)
      const out = all.get(name) ?? new Float32Array(n * width)
      all.set(name, out)
      out.set(own, first * width)
      expectFiniteOutput(session, own, (row) => `sample ${first + row}`, name)
    }
  }
  const { names } = session.labels ?? {}
  return {
    logits,
    classes,
    labels: Array.from(classes, (index) => names?.[index] ?? String(index)),
    probabilities: softmax(logits, outputs),
    ...(all.size > 0 && { outputs: Object.fromEntries(all) }),
  }
}

/** Probabilities of each row. @param width of a row */
export function softmax(rows: Float32Array, width: number): Float32Array {
  const found = new Float32Array(rows.length)
  for (let first = 0; first < rows.length; first += width) {
    const row = rows.subarray(first, first + width)
    const most = row.reduce((a, b) => Math.max(a, b), Number.NEGATIVE_INFINITY)
    const shares = Array.from(row, (logit) => Math.exp(logit - most))
    const sum = shares.reduce((a, b) => a + b, 0)
    for (let c = 0; c < width; c++) found[first + c] = shares[c] / sum
  }
  return found
}

/** Index of the greatest number of each row, the first of equals. @param width of a row */
export function greatest(rows: Float32Array, width: number): Int32Array {
  const found = new Int32Array(rows.length / width)
  for (let row = 0; row < found.length; row++)
    for (let c = 1; c < width; c++)
      if (rows[row * width + c] > rows[row * width + found[row]]) found[row] = c
  return found
}

// What programs leave in memory for the host, and how a run leaves no trace in it.

/** How soon the host wants a buffer when it has changed. */
export type Wanted = 'prompt' | 'later'

/** Buffers that the host reads. Counts of activity are not among them: they are asked for. */
export function readByHost({ named, programs, options }: Plan): Map<Buffer, Wanted> {
  const wanted = new Map<Buffer, Wanted>()
  const put = (when: Wanted, ...buffers: readonly (Buffer | undefined)[]): void => {
    for (const buffer of buffers)
      if (buffer && wanted.get(buffer) !== 'prompt') wanted.set(buffer, when)
  }
  const { training } = named
  put('later', named.parameters, named.statistics, training?.gradients)
  put('later', ...Object.values(training?.states ?? {}))
  put('prompt', named.output, named.outputSoFar, named.predictions, training?.numbers)
  put('prompt', named.stepOutputs)
  for (const [name, program] of Object.entries(programs) as [ProgramName, Program][]) {
    const trains = name === 'train' || name === 'gradients'
    for (const { partials, recorded, counts, masks, eligibility } of program.rates) {
      put('prompt', partials)
      // `monitor` reads them behind each batch.
      put(trains ? 'later' : 'prompt', recorded?.masks)
      if (options.inspect) put('later', counts, masks, eligibility)
    }
    for (const { buffer } of program.states ?? []) put(trains ? 'later' : 'prompt', buffer)
    for (const { partials } of program.penalties ?? []) put('prompt', partials)
    for (const { buffer } of program.inputGradients ?? []) put('later', buffer)
    for (const probe of program.probes.neurons)
      put('later', probe.spikeGradient, probe.currentGradient, probe.eligibility)
    for (const { gradient } of program.probes.weights) put('later', gradient)
  }
  return wanted
}

/** Runs programs, and puts back all that can be read of the model or that training goes on with. */
export async function withoutTrace<T>(session: Session, run: () => Promise<T>): Promise<T> {
  await session.refresh('all')
  const kept = [...readByHost(session.plan).keys()].filter(({ persistent }) => persistent)
  const restore = await keepBuffers(session, kept)
  try {
    return await run()
  } finally {
    restore()
  }
}
