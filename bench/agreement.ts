/**
 * Whole networks at full size against the paper's official PyTorch code: one rate-based step from
 * its state on its batch.
 */
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { input, methods } from '../src/bench/networks.js'
import type { Column } from '../src/bench/report.js'
import { cosineOf } from '../src/engine/memory/arena.js'
import type { StateDict } from '../src/engine/memory/state.js'
import { parseSafetensors, toFloat32 } from '../src/files/safetensors.js'
import type { Model } from '../src/model/model.js'
import { compileNetwork, type TrainingBatch } from './beside.js'
import { checkOfficial, runCode } from './official-code.js'
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

const MAX_POOLING =
  'sewResnet34: the official rate pass pools rates and breaks their ties by rounding, ' +
  'ours sends the gradient to the neuron with the highest rate, the first of equals; so ' +
  'gradients around the max pooling (convNeuron1, layer1) differ by definition.'

/** A difference of eligibilities (at most 1.25) that rounding does not make. */
const MOVED = 1e-3

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
 * Neurons whose number of spikes differs, of how many, and the first layer with a flipped spike. A
 * spike can also come a step later, where the number stays; the potentials of the steps behind it,
 * and so the eligibility, tell.
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
    if (first === '' && flipped > 0) first = `${flipped} in ${layer}`
    different += counts.filter((_, i) => isOther(i)).length
    neurons += counts.length
  }
  return { different, neurons, first }
}

/**
 * One step of a model from another code's state on its batch.
 * @param run makes the other step and writes it into a file
 * @param given the batch; default: that of the file
 */
export const stepAgainst = <R extends { readonly loss: number }>(
  model: Model,
  run: (out: string) => R,
  given?: TrainingBatch,
) =>
  withFolder(async (folder) => {
    const out = join(folder, 'step.safetensors')
    const theirs = run(out)
    const golden = readGolden(out)
    model.loadStateDict(golden.before)
    const x = given?.x ?? golden.values('input')
    const y = given?.y ?? Array.from(golden.values('target'))
    const { loss } = await model.trainStep(x, y, { update: false })
    return {
      ...{ theirs, golden },
      output: largestDifference(model.output(), golden.values('output')),
      loss: Math.abs(loss - theirs.loss) / theirs.loss,
      gradient: compareGradients(model, golden),
    }
  })

/** What such a step was found to differ by, as columns have it. */
export const stepColumns = [
  ['output', ({ output }) => output.toExponential(1)],
  ['loss', ({ loss }) => loss.toExponential(1)],
  ['1 − cosine', ({ gradient }) => gradient.distance.toExponential(1)],
  ['parameter', ({ gradient }) => gradient.parameter],
  ['noise', ({ gradient }) => gradient.noise.toExponential(1)],
] as const satisfies readonly Column<
  Pick<Awaited<ReturnType<typeof stepAgainst>>, 'output' | 'loss' | 'gradient'>
>[]

async function compareOne(name: string, seed: number, options: BenchOptions) {
  const { timeSteps, threads } = options
  const settings = { batchSize: BATCH, inspect: true }
  const model = await compileNetwork(name, methods[0], timeSteps, threads, settings)
  try {
    const settings = { model: name, input, batch: BATCH, 'time-steps': timeSteps, seed }
    const found = await stepAgainst(model, (out) =>
      runCode<{ loss: number }>('official', options, 'agreement', { ...settings, out }),
    )
    const { different, neurons, first } = compareSpikes(model, found.golden)
    const count = `${different} of ${neurons}`
    const verdict = first === '' ? count : `${count}: flipped, first ${first}`
    return { name, seed, ...found, different, isFlipped: first !== '', verdict }
  } finally {
    await model.dispose()
  }
}

export async function compareOfficial(section: Section): Promise<void> {
  const { options, progress } = section
  const { model, quick, timeSteps } = options
  const { torch } = checkOfficial(options)
  const rows: Awaited<ReturnType<typeof compareOne>>[] = []
  const models = model === undefined ? DEFAULT_MODELS.slice(0, quick ? 1 : undefined) : [model]
  for (const name of models)
    for (let [seed, again] = [0, true]; again && seed < SEEDS; seed++) {
      progress(`agreement ${name} seed ${seed}`)
      const row = await compareOne(name, seed, options)
      rows.push(row)
      again = row.isFlipped
      const { output, gradient, different, verdict } = row
      const entry = (what: string, unit: string, value: number): void =>
        section.entry(
          `agreement | ${name} | T ${timeSteps} | batch ${BATCH} | seed ${seed} | ${what}`,
          unit,
          value,
          [`spikes that differ: ${verdict}`, `PyTorch ${torch}`],
        )
      entry('output', 'relative difference', output)
      entry(`gradient, worst: ${gradient.parameter}`, '1 − cosine', gradient.distance)
      entry('spikes', 'neurons', different)
    }
  section.table(
    `One step against the official code on PyTorch ${torch}: rate m, T = ` +
      `${timeSteps}, batch ${BATCH}, 3×32×32 noise`,
    [
      'From its fresh network. output: largest difference over largest output. loss: ' +
        'relative. 1 − cosine: of the gradient that is least parallel, parameter: which that is.',
      'noise: biases right before a normalisation have a true gradient of zero; the ' +
        'largest of either side over the gradient of its weight.',
      'spikes: neurons whose number of spikes differs; first: neurons with a flipped ' +
        'spike in the first layer that has some.',
      'A potential within rounding of the threshold can flip one, which normalisation ' +
        'and the layers behind spread: the row then says little about gradients, and another ' +
        `seed follows, ${SEEDS} at most.`,
      ...(models.includes('sewResnet34') ? [MAX_POOLING] : []),
    ],
    [
      ['network', ({ name }) => name],
      ['seed', ({ seed }) => String(seed)],
      ...stepColumns,
      ['spikes', ({ verdict }) => verdict],
    ],
    rows,
  )
}
