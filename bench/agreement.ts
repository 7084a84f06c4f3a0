/**
 * Whole networks at full size against the paper's official PyTorch code: one rate-based step from
 * its state on its batch.
 */
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { input, methods } from '../src/bench/networks.js'
import { emptyReport, type Report } from '../src/bench/report.js'
import { parseSafetensors, toFloat32 } from '../src/io/safetensors.js'
import type { Model } from '../src/model.js'
import type { StateDict } from '../src/runtime/state.js'
import { cosineOf } from '../src/runtime/views.js'
import { checkOfficial, runOfficial } from './official-code.js'
import type { BenchOptions } from './options.js'
import { compileNetwork } from './side-by-side.js'

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
export interface Golden {
  readonly loss: number
  readonly names: (prefix: string) => string[]
  readonly values: (name: string) => Float32Array
  readonly before: StateDict
}

export function readGolden(path: string, loss: number): Golden {
  const { tensors } = parseSafetensors(readFileSync(path), path)
  const tensor = (name: string) => tensors.get(name)!
  const names = (prefix: string): string[] =>
    [...tensors.keys()]
      .filter((key) => key.startsWith(prefix))
      .map((key) => key.slice(prefix.length))
  const values = (name: string): Float32Array => toFloat32(tensor(name))
  const before = names('before.').map((name) => [
    name,
    { shape: tensor(`before.${name}`).shape, data: values(`before.${name}`) },
  ])
  return { loss, names, values, before: Object.fromEntries(before) }
}

const norm = (values: Float32Array): number => Math.sqrt(values.reduce((sum, v) => sum + v * v, 0))

/** max |a − b| / max |b| */
export function largestDifference(a: Float32Array, b: Float32Array): number {
  const largest = (values: Float32Array): number =>
    values.reduce((most, v) => Math.max(most, Math.abs(v)), 0)
  return largest(a.map((v, i) => v - b[i])) / largest(b)
}

/**
 * The gradient that is least parallel to theirs, and the largest of those that are rounding noise
 * in both, as a share of the gradient of its layer's weight.
 */
export function compareGradients(model: Model, { names, values }: Golden) {
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

async function compareOne(name: string, seed: number, options: BenchOptions) {
  const folder = mkdtempSync(join(tmpdir(), 'agreement-'))
  const out = join(folder, 'step.safetensors')
  const { timeSteps, threads } = options
  const model = await compileNetwork(name, methods[0], timeSteps, threads, {
    batchSize: BATCH,
    inspect: true,
  })
  try {
    const settings = { model: name, input, batch: BATCH, 'time-steps': timeSteps, seed, out }
    const { loss: theirLoss } = runOfficial<{ loss: number }>(options, 'agreement', settings)
    const golden = readGolden(out, theirLoss)
    model.loadStateDict(golden.before)
    const { loss } = await model.trainStep(
      golden.values('input'),
      Array.from(golden.values('target')),
      { update: false },
    )
    return {
      output: largestDifference(model.output(), golden.values('output')),
      loss: Math.abs(loss - theirLoss) / theirLoss,
      gradient: compareGradients(model, golden),
      spikes: compareSpikes(model, golden),
    }
  } finally {
    await model.dispose()
    rmSync(folder, { recursive: true })
  }
}

export async function compareOfficial(
  options: BenchOptions,
  label: string,
  progress: (text: string) => void,
): Promise<Report> {
  const { torch } = checkOfficial(options)
  const report = emptyReport()
  const rows: string[][] = []
  const models =
    options.model === undefined
      ? DEFAULT_MODELS.slice(0, options.quick ? 1 : undefined)
      : [options.model]
  for (const name of models) {
    for (let [seed, flipped] = [0, true]; flipped && seed < SEEDS; seed++) {
      progress(`agreement ${name} seed ${seed}`)
      const { output, loss, gradient, spikes } = await compareOne(name, seed, options)
      flipped = spikes.first !== ''
      const count = `${spikes.different} of ${spikes.neurons}`
      const verdict = flipped ? `${count}: flipped, first ${spikes.first}` : count
      rows.push([
        name,
        String(seed),
        output.toExponential(1),
        loss.toExponential(1),
        gradient.distance.toExponential(1),
        gradient.parameter,
        gradient.noise.toExponential(1),
        verdict,
      ])
      const entry = (what: string, unit: string, value: number): void =>
        void report.smallerIsBetter.push({
          name:
            `agreement | ${name} | T ${options.timeSteps} | batch ${BATCH} | seed ` +
            `${seed} | ${what}`,
          unit,
          value,
          extra: [`spikes that differ: ${verdict}`, `PyTorch ${torch}`, label].join('\n'),
        })
      entry('output', 'relative difference', output)
      entry(`gradient, worst: ${gradient.parameter}`, '1 − cosine', gradient.distance)
      entry('spikes', 'neurons', spikes.different)
    }
  }
  report.tables.push({
    title:
      `One step against the official code on PyTorch ${torch}: rate m, T = ` +
      `${options.timeSteps}, batch ${BATCH}, 3×32×32 noise`,
    notes: [
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
    head: ['network', 'seed', 'output', 'loss', '1 − cosine', 'parameter', 'noise', 'spikes'],
    rows,
  })
  return report
}
