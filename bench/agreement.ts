/**
 * Whole networks at full size against others' PyTorch code: one step from its state on its batch.
 * The paper's official code by its rate-based method, the code of the authors of OTTT and SLTT by
 * theirs.
 */
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { fail } from '../src/base/errors.js'
import { compileWith, describeRates, input, methods } from '../src/bench/networks.js'
import type { Column } from '../src/bench/report.js'
import { cosineOf } from '../src/engine/memory/arena.js'
import type { StateDict } from '../src/engine/memory/state.js'
import { parseSafetensors, toFloat32 } from '../src/files/safetensors.js'
import * as sw from '../src/index.js'
import type { Model } from '../src/model/model.js'
import { encodeBatch } from './beside.js'
import { checkCode, codesOf, runCode } from './codes.js'
import { coarseBatch, compileOnline, ONLINE_STEPS, type OnlineCode } from './online-networks.js'
import type { BenchOptions } from './options.js'
import { type Section, withFolder } from './section.js'

const DEFAULT_MODELS = ['vgg11', 'resnet18']
const BATCH = 4
/**
 * A flipped spike spreads, so that nothing can be said about gradients: the comparison is repeated
 * from another seed, this often.
 */
const SEEDS = 3
/**
 * Below this share of the gradient of its layer's weight a gradient is rounding noise: a bias in
 * front of a normalisation, which subtracts it.
 */
const VANISHING = 1e-5
/** Largest 1 − cosine of a gradient with the authors': roundings give 1e-10, another network 1e-2. */
const SAME_GRADIENT = 1e-6
/** A difference of eligibilities (at most 1.25) that rounding does not make. */
const MOVED = 1e-3

const MAX_POOLING =
  'sewResnet34: the official rate pass pools rates and breaks their ties by rounding, ' +
  'ours sends the gradient to the neuron with the highest rate, the first of equals; so ' +
  'gradients around the max pooling (convNeuron1, layer1) differ by definition.'

/** What the scripts of bench/peers write for `agreement`. */
function readGolden(path: string) {
  const { tensors } = parseSafetensors(readFileSync(path), path)
  const values = (name: string): Float32Array => toFloat32(tensors.get(name)!)
  const names = (prefix: string): string[] =>
    [...tensors.keys()]
      .filter((key) => key.startsWith(prefix))
      .map((key) => key.slice(prefix.length))
  const before = names('before.').map((name) => [
    name,
    { shape: tensors.get(`before.${name}`)!.shape, data: values(`before.${name}`) },
  ])
  return { names, values, before: Object.fromEntries(before) as StateDict }
}
type Golden = ReturnType<typeof readGolden>

const norm = (values: Float32Array): number => Math.sqrt(values.reduce((sum, v) => sum + v * v, 0))

/** max |a − b| / max |b| */
function largestDifference(a: Float32Array, b: Float32Array): number {
  const largest = (values: Float32Array): number =>
    values.reduce((most, v) => Math.max(most, Math.abs(v)), 0)
  return largest(a.map((v, i) => v - b[i])) / largest(b)
}

/**
 * The gradient that is least parallel to theirs, and the largest of those that are rounding noise
 * in both, as a share of the gradient of its layer's weight.
 */
function compareGradients(model: Model, { names, values }: Golden) {
  const gradients = model.gradients()
  let worst = { parameter: '', distance: 0 }
  let noise = 0
  for (const name of names('grad.')) {
    const theirs = values(`grad.${name}`)
    const largest = Math.max(norm(theirs), norm(gradients[name].data))
    // Weights behind a layer that is silent: nothing to compare.
    if (largest === 0) continue
    const share = largest / norm(values(`grad.${name.replace(/bias$/, 'weight')}`))
    if (share < VANISHING) {
      noise = Math.max(noise, share)
      continue
    }
    // No cosine: one of the two is zero or not finite.
    const cosine = cosineOf(gradients[name].data, theirs)
    const distance = Number.isNaN(cosine) ? 1 : 1 - cosine
    if (distance > worst.distance) worst = { parameter: name, distance }
  }
  return { ...worst, noise }
}

/**
 * Neurons whose number of spikes differs, and the first layer with a flipped spike. A spike can
 * also come a step later, where the number stays; the potentials of the steps behind it, and so the
 * eligibility, tell.
 */
function compareSpikes(model: Model, { names, values }: Golden) {
  let [different, neurons, first] = [0, 0, '']
  for (const layer of names('count.')) {
    const { rate, eligibility } = model.activity(layer)
    const counts = values(`count.${layer}`)
    const theirs = values(`eligibility.${layer}`)
    const isOther = (i: number): boolean => counts[i] !== Math.round(rate[i] * model.timeSteps)
    const flipped = counts.filter(
      (_, i) => isOther(i) || Math.abs(eligibility![i] - theirs[i]) > MOVED,
    ).length
    if (first === '' && flipped > 0) first = `: flipped, first ${flipped} in ${layer}`
    different += counts.filter((_, i) => isOther(i)).length
    neurons += counts.length
  }
  const text = neurons === 0 ? '' : `${different} of ${neurons}${first}`
  return { different, text, isFlipped: first !== '' }
}

interface Theirs {
  readonly loss: number
  /** What the authors' code tells: number of parameters, shapes of one image's outputs. */
  readonly parameters: number
  readonly shapes: Readonly<Record<string, readonly number[]>>
}

/** @throws SpikewasmError where our network is not that of the authors */
function checkSame(code: OnlineCode, { session, parameterCount }: Model, theirs: Theirs): void {
  const nodes = session.graph.nodes.filter(({ kind }) => kind === 'conv2d' || kind === 'linear')
  const own = nodes.map(({ name, kind, shape }) => [
    name,
    kind === 'linear' ? shape.slice(0, 1) : shape,
  ])
  const [ours, other] = [Object.fromEntries(own), theirs.shapes].map((all) => JSON.stringify(all))
  if (parameterCount !== theirs.parameters || ours !== other)
    fail(
      `bench.${code}: our network must be theirs, got ${parameterCount} parameters and ` +
        `${ours}, theirs ${theirs.parameters} and ${other}; use the newest commit of their code`,
    )
}

/** One step of our network from their state on their batch. @param name of a network of the paper */
async function compareOne(
  code: 'official' | OnlineCode,
  name: string,
  seed: number,
  options: BenchOptions,
) {
  const { threads, timeSteps = 4 } = options
  const isOfficial = code === 'official'
  const [choice] = methods
  const setting = { model: name, choice, timeSteps, threads, batchSize: BATCH, inspect: true }
  const model = await (isOfficial ? compileWith(sw, setting) : compileOnline(code, threads, BATCH))
  const given = isOfficial ? undefined : coarseBatch(BATCH)
  try {
    return await withFolder(async (folder) => {
      const out = join(folder, 'step.safetensors')
      const own = isOfficial ? { model: name, input } : {}
      const steps = isOfficial ? timeSteps : ONLINE_STEPS
      const settings = { ...own, batch: BATCH, 'time-steps': steps, seed, out }
      const bytes = given && encodeBatch(given)
      const theirs = runCode<Theirs>(code, options, 'agreement', settings, bytes)
      if (!isOfficial) checkSame(code, model, theirs)
      const golden = readGolden(out)
      model.loadStateDict(golden.before)
      const x = given?.x ?? golden.values('input')
      const y = given?.y ?? Array.from(golden.values('target'))
      const { loss } = await model.trainStep(x, y, { update: false })
      const gradient = compareGradients(model, golden)
      if (!isOfficial && !(gradient.distance < SAME_GRADIENT))
        fail(
          `bench.${code}: gradients must be theirs, got 1 − cosine ${gradient.distance} for ` +
            `${gradient.parameter}; use the newest commit of their code`,
        )
      return {
        name,
        timeSteps: steps,
        seed,
        output: largestDifference(model.output(), golden.values('output')),
        loss: Math.abs(loss - theirs.loss) / theirs.loss,
        gradient,
        spikes: compareSpikes(model, golden),
        rates: describeRates(model.firingRates()),
      }
    })
  } finally {
    await model.dispose()
  }
}

type Row = Awaited<ReturnType<typeof compareOne>>

const columns: readonly Column<Row>[] = [
  ['network', ({ name }) => name],
  ['T', ({ timeSteps }) => String(timeSteps)],
  ['seed', ({ seed }) => String(seed)],
  ['output', ({ output }) => output.toExponential(1)],
  ['loss', ({ loss }) => loss.toExponential(1)],
  ['1 − cosine', ({ gradient }) => gradient.distance.toExponential(1)],
  ['parameter', ({ gradient }) => gradient.parameter],
  ['noise', ({ gradient }) => gradient.noise.toExponential(1)],
  ['spikes', ({ spikes }) => spikes.text],
  ['rate', ({ rates }) => rates],
]

const notes = [
  'From its fresh network; rate m for the official code. Of the code of authors the number of ' +
    'parameters and the shapes of all layers are equal, or this is an error. output: largest ' +
    'difference over largest output. loss: relative. 1 − cosine: of the gradient that is least ' +
    'parallel, parameter: which that is.',
  'noise: biases right before a normalisation have a true gradient of zero; the largest of ' +
    'either side over the gradient of its weight.',
  'spikes: neurons whose number of spikes differs; first: neurons with a flipped spike in the ' +
    'first layer that has some.',
  'A potential within rounding of the threshold can flip one, which normalisation and the layers ' +
    `behind spread: the row then says little about gradients, and another seed follows, ${SEEDS} ` +
    'at most.',
]

/**
 * @throws SpikewasmError that says how to get a checkout that is missing, or that a network is not
 *   theirs
 */
export async function compareCodes(section: Section): Promise<void> {
  const { options, progress } = section
  const { model, quick } = options
  const codes = codesOf(options)
  const [{ torch }] = codes.map((code) => checkCode(code, options))
  const rows: Row[] = []
  const usual = DEFAULT_MODELS.slice(0, quick ? 1 : undefined)
  for (const code of codes)
    for (const name of code !== 'official' ? [code] : model === undefined ? usual : [model])
      for (let [seed, again] = [0, true]; again && seed < SEEDS; seed++) {
        progress(`agreement ${name} seed ${seed}`)
        rows.push(await compareOne(code, name, seed, options))
        again = rows.at(-1)!.spikes.isFlipped
      }
  for (const { name, timeSteps, seed, output, gradient, spikes } of rows)
    for (const [what, unit, value] of [
      ['output', 'relative difference', output],
      [`gradient, worst: ${gradient.parameter}`, '1 − cosine', gradient.distance],
      ['spikes', 'neurons', spikes.different],
    ] as const)
      section.entry(
        `agreement | ${name} | T ${timeSteps} | batch ${BATCH} | seed ${seed} | ${what}`,
        unit,
        value,
        [`spikes that differ: ${spikes.text}`, `PyTorch ${torch}`],
      )
  const isPooled = rows.some(({ name }) => name === 'sewResnet34')
  section.table(
    `One step against others' code on PyTorch ${torch}: batch ${BATCH}, 3×32×32 noise`,
    isPooled ? [...notes, MAX_POOLING] : notes,
    columns,
    rows,
  )
}
