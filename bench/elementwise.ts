/**
 * Passes over tensors: neurons, normalisation, optimizer. They move more than they compute, so a
 * copy of as many bytes is what they are held against.
 */
import { Control, NeuronWord, NormWord, Op, Surrogate } from '../assembly/opcodes.js'
import { normRows } from '../src/plan/layers/norm.js'
import { neuronScratch } from '../src/plan/neuron-record.js'
import { perUnit } from '../src/plan/pass.js'
import type { ProgramBuilder } from '../src/plan/program.js'
import { sgd } from '../src/plan/records/optimizer.js'
import { type Buffer, f32, ref, type Words } from '../src/plan/words.js'
import { type KernelResult, KernelTable } from './kernel-report.js'
import { type Budget, measure } from './measure.js'
import * as naive from './naive.js'
import { copyGbPerSecond } from './peak.js'
import type { Report } from './report.js'
import { makeRig, type Rig } from './rig.js'
import { fillNormal, makeSpikes } from './spikes.js'

const T = 4
const SHORTCUT_RATE = 0.2
/** Elements of the naive loops: their speed does not depend on it. */
const NAIVE_ELEMENTS = 65536

/** A tensor of [pixels][C], as the layers behind a convolution see it. */
interface Size {
  readonly pixels: number
  readonly C: number
  readonly name: string
}

type Terms = 'A' | 'A+S' | 'A+B'

/**
 * Neurons of the rate method in training: masks, counts, eligibility and the normalised mean of
 * each float term.
 */
function neuronRig(
  { pixels, C }: Size,
  terms: Terms,
): Rig<{ words: Words; floats: Buffer[]; spikes: Buffer; partials: Buffer; masks: Buffer }> {
  const rig = makeRig((b) => {
    const size = pixels * C
    const units = perUnit(pixels, C)
    const float = (name: string, count: number): Buffer => b.buffer(name, 4 * count, 'input')
    const [masks, counts, spikes] = ['masks', 'counts', 'shortcut'].map((name) =>
      b.buffer(name, size, 'input'),
    )
    const partials = float('partials', Math.ceil(pixels / units))
    const floats: Buffer[] = []
    const term = (first: NeuronWord.A | NeuronWord.B): Words => {
      const [current, scale, shift, mean, invStd, xhat] = [size * T, C, C, C, C, size].map(
        (count, i) => float(`term ${first} ${i}`, count),
      )
      floats.push(current, scale, shift, mean, invStd)
      // Both terms have their words in the same order, except that A has its group behind x̂.
      const isA = first === NeuronWord.A
      return {
        [first]: ref(current),
        [isA ? NeuronWord.APixelBytes : NeuronWord.BPixelBytes]: T * C * 4,
        [isA ? NeuronWord.AStepBytes : NeuronWord.BStepBytes]: C * 4,
        [isA ? NeuronWord.AScale : NeuronWord.BScale]: ref(scale),
        [isA ? NeuronWord.AShift : NeuronWord.BShift]: ref(shift),
        [isA ? NeuronWord.AMean : NeuronWord.BMean]: ref(mean),
        [isA ? NeuronWord.AInvStd : NeuronWord.BInvStd]: ref(invStd),
        [isA ? NeuronWord.AXhat : NeuronWord.BXhat]: ref(xhat),
      }
    }
    const words: Words = {
      [NeuronWord.Masks]: ref(masks),
      [NeuronWord.PlaneBytes]: size,
      [NeuronWord.Counts]: ref(counts),
      [NeuronWord.Eligibility]: ref(float('eligibility', size)),
      [NeuronWord.CountPartials]: ref(partials),
      [NeuronWord.Pixels]: pixels,
      [NeuronWord.C]: C,
      [NeuronWord.PixelsPerUnit]: units,
      [NeuronWord.T]: T,
      [NeuronWord.TotalSteps]: T,
      [NeuronWord.H]: pixels,
      [NeuronWord.W]: 1,
      [NeuronWord.Lambda]: f32(0.2),
      [NeuronWord.Kappa]: f32(1),
      [NeuronWord.Threshold]: f32(1),
      [NeuronWord.Detach]: 1,
      [NeuronWord.Surrogate]: Surrogate.Sigmoid,
      [NeuronWord.Alpha]: f32(4),
      ...term(NeuronWord.A),
      ...(terms === 'A+B' ? term(NeuronWord.B) : {}),
      ...(terms === 'A+S'
        ? {
            [NeuronWord.S]: ref(spikes),
            [NeuronWord.SPlaneBytes]: size,
            [NeuronWord.SScale]: f32(1),
          }
        : {}),
    }
    b.emitWords(Op.Neuron, Math.ceil(pixels / units), words, neuronScratch(T, C))
    return { words, floats, spikes, partials, masks }
  })
  rig.made.floats.forEach((buffer, i) => {
    const values = rig.floats(buffer)
    // current, scale, shift, mean, inverse deviation of each term
    if (i % 5 === 0) fillNormal(values, i + 1)
    else values.fill(i % 5 === 1 || i % 5 === 4 ? 1 : 0)
  })
  if (terms === 'A+S')
    rig.bytes(rig.made.spikes).set(makeSpikes(pixels * C, T, SHORTCUT_RATE, 7).masks)
  return rig
}

/** Spikes per neuron and step of the last run. */
function rateOf(rig: ReturnType<typeof neuronRig>, { pixels, C }: Size): number {
  const partials = rig.floats(rig.made.partials)
  const sums = new Uint32Array(partials.buffer, partials.byteOffset, partials.length)
  return sums.reduce((a, b) => a + b, 0) / (pixels * C * T)
}

/**
 * The three records of the normalisation's backward pass, or the two of its statistics over T
 * steps.
 */
function normRig({ pixels, C }: Size, backward: boolean): Rig<Buffer[]> {
  const rig = makeRig((b: ProgramBuilder) => {
    const rows = backward ? pixels : pixels * T
    const rowsPerUnit = normRows(rows, C, 1)
    const units = Math.ceil(rows / rowsPerUnit)
    const float = (name: string, count: number): Buffer => b.buffer(name, 4 * count, 'input')
    const [
      weight,
      bias,
      mean,
      invStd,
      scale,
      shift,
      runningMean,
      runningVar,
      weightGradient,
      biasGradient,
    ] = Array.from({ length: 10 }, (_, i) => float(`vector ${i}`, C))
    const [input, xhat, delta, out] = ['input', 'xhat', 'delta', 'out'].map((name) =>
      float(name, rows * C),
    )
    const words: Words = {
      ...(backward
        ? { [NormWord.Delta]: ref(delta), [NormWord.Xhat]: ref(xhat), [NormWord.Out]: ref(out) }
        : { [NormWord.In]: ref(input) }),
      [NormWord.Rows]: rows,
      [NormWord.C]: C,
      [NormWord.Groups]: 1,
      [NormWord.RowsPerUnit]: rowsPerUnit,
      [NormWord.Units]: units,
      [NormWord.Partial]: ref(float('partial', units * 4 * C)),
      [NormWord.Weight]: ref(weight),
      [NormWord.Bias]: ref(bias),
      [NormWord.RunningMean]: ref(runningMean),
      [NormWord.RunningVar]: ref(runningVar),
      [NormWord.Mean]: ref(mean),
      [NormWord.InvStd]: ref(invStd),
      [NormWord.Scale]: ref(scale),
      [NormWord.Shift]: ref(shift),
      [NormWord.Epsilon]: f32(1e-5),
      [NormWord.Momentum]: f32(0.1),
      [NormWord.Repeats]: 1,
      [NormWord.TotalSteps]: T,
      [NormWord.WeightGradient]: ref(weightGradient),
      [NormWord.BiasGradient]: ref(biasGradient),
      [NormWord.Coefficients]: ref(float('coefficients', 3 * C)),
    }
    if (backward) {
      b.emitWords(Op.NormBackwardReduce, units, words)
      b.emitWords(Op.NormBackwardFinish, 1, words)
      b.emitWords(Op.NormBackwardApply, units, words)
    } else {
      b.emitWords(Op.NormStatistics, units, words)
      b.emitWords(Op.NormFinish, Math.ceil(C / 32), words, 64)
    }
    return [weight, invStd, backward ? delta : input, xhat]
  })
  const [weight, invStd, data, xhat] = rig.made.map((buffer) => rig.floats(buffer))
  weight.fill(1)
  invStd.fill(1)
  fillNormal(data, 1)
  if (backward) fillNormal(xhat, 2)
  return rig
}

function sgdRig(count: number): Rig<Buffer[]> {
  const perUnit = 16384
  const rig = makeRig((b) => {
    const [parameters, velocities, gradients] = ['parameters', 'velocities', 'gradients'].map(
      (name) => b.buffer(name, 4 * count, 'input'),
    )
    b.emit(sgd, Math.ceil(count / perUnit), {
      parameters,
      gradients,
      velocities,
      count,
      perUnit,
      otherDecay: false,
    })
    return [parameters, gradients]
  })
  rig.made.forEach((buffer, i) => void fillNormal(rig.floats(buffer), i + 1))
  const control = new DataView(rig.bytes(rig.made[0]).buffer)
  // So small that hundreds of steps leave all numbers normal.
  control.setFloat32(Control.LearningRate, 1e-6, true)
  control.setFloat32(Control.Momentum, 0.9, true)
  control.setFloat32(Control.Decay, 5e-4, true)
  return rig
}

/** Elements a millisecond of the naive loops. */
function naiveRates(budget: Budget): {
  neuron: number
  statistics: number
  backward: number
  sgd: number
} {
  const C = 64
  const n = NAIVE_ELEMENTS
  const values = (count: number, seed: number): Float32Array => {
    const floats = new Float32Array(count)
    fillNormal(floats, seed)
    return floats
  }
  const [current, a, b, c] = [values(n * T, 1), values(n, 2), values(n, 3), values(n, 4)]
  const [ones, zeros, masks, sums] = [
    new Float32Array(C).fill(1),
    new Float32Array(C),
    new Uint8Array(n),
    new Float64Array(2 * C),
  ]
  return {
    neuron: n / measure(() => naive.neuron(masks, a, current, ones, zeros, T), budget).median,
    statistics: (n * T) / measure(() => naive.normStatistics(sums, current, C), budget).median,
    backward: n / measure(() => naive.normBackward(c, a, b, sums, ones), budget).median,
    sgd: n / measure(() => naive.sgd(a, b, c), budget).median,
  }
}

export function benchElementwise(
  sizes: readonly Size[],
  parameters: number,
  budget: Budget,
  label: string,
  progress: (text: string) => void,
): Report {
  const notes = [
    `T = ${T}, rate method. GB/s: bytes that have to be read and written; the peak is a copy of as many bytes. The neuron evaluates a sigmoid at each step, hence its distance.`,
    'A: one current; A+S: with a shortcut of spikes; A+B: two currents. × naive JS of A+S and A+B compares with the loop of A.',
  ]
  const table = new KernelTable('Neurons, normalisation, optimizer', notes, 'elementwise', label)
  const naives = naiveRates(budget)
  const add = (
    kernel: string,
    shape: string,
    density: string,
    rig: Rig<unknown>,
    elements: number,
    bytesEach: number,
    naiveRate: number,
  ): KernelResult => {
    progress(`${kernel} ${shape}`)
    const timing = measure(() => rig.run(), budget)
    const bytes = elements * bytesEach
    return table.add({
      kernel,
      shape,
      density,
      timing,
      work: bytes / 1e9,
      unit: 'GB/s',
      peak: copyGbPerSecond(bytes),
      naive: (naiveRate * bytesEach * 1000) / 1e9,
    })
  }
  for (const size of sizes) {
    const elements = size.pixels * size.C
    for (const terms of ['A', 'A+S', 'A+B'] as const) {
      const rig = neuronRig(size, terms)
      rig.run()
      const shortcut = terms === 'A+S' ? `, shortcut rate ${SHORTCUT_RATE}` : ''
      // Currents over T; masks, counts, eligibility and normalised means.
      const bytes = 4 * T + 10 + (terms === 'A+S' ? 1 : terms === 'A+B' ? 4 * T + 4 : 0)
      add(
        `neuron ${terms}`,
        size.name,
        `rate ${rateOf(rig, size).toFixed(2)}${shortcut}`,
        neuronRig(size, terms),
        elements,
        bytes,
        naives.neuron,
      )
    }
    add('norm statistics', size.name, '', normRig(size, false), elements * T, 4, naives.statistics)
    // δ and x̂ are read twice, the result is written.
    add('norm backward', size.name, '', normRig(size, true), elements, 20, naives.backward)
  }
  add(
    'sgd',
    `${(parameters / 1e6).toFixed(1)} M parameters`,
    '',
    sgdRig(parameters),
    parameters,
    20,
    naives.sgd,
  )
  return table.report()
}
