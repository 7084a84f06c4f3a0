/**
 * Passes over tensors: neurons, normalisation, optimizer. They move more than they compute, so a
 * copy of as many bytes is what they are held against.
 */
import { Control, Moments, NormSize, Surrogate } from '../assembly/opcodes.js'
import { type Budget, measure } from '../src/bench/measure.js'
import { copyGbPerSecond } from '../src/bench/peak.js'
import type { Report } from '../src/bench/report.js'
import { fillNormal, makeSpikes } from '../src/bench/spikes.js'
import { neuronScratch } from '../src/plan/neuron-record.js'
import { normRows } from '../src/plan/norm.js'
import { perUnit } from '../src/plan/pass.js'
import type { ProgramBuilder } from '../src/plan/program.js'
import { neuron } from '../src/plan/records/neuron.js'
import {
  normBackwardApply,
  normBackwardFinish,
  normBackwardReduce,
  normFinish,
  normStatistics,
} from '../src/plan/records/norm.js'
import { sgd } from '../src/plan/records/optimizer.js'
import type { Buffer } from '../src/plan/words.js'
import { type KernelResult, KernelTable } from './kernel-report.js'
import * as naive from './naive.js'
import { makeRig, type Rig } from './rig.js'

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
): Rig<{ floats: Buffer[]; spikes: Buffer; partials: Buffer; masks: Buffer }> {
  const rig = makeRig((b) => {
    const size = pixels * C
    const units = perUnit(pixels, C)
    const float = (name: string, count: number): Buffer => b.buffer(name, 4 * count, 'input')
    const [masks, counts, spikes] = ['masks', 'counts', 'shortcut'].map((name) =>
      b.buffer(name, size, 'input'),
    )
    const partials = float('partials', Math.ceil(pixels / units))
    const floats: Buffer[] = []
    const term = (name: string) => {
      const [at, scale, shift, mean, invStd, xhat] = [size * T, C, C, C, C, size].map((count, i) =>
        float(`term ${name} ${i}`, count),
      )
      floats.push(at, scale, shift, mean, invStd)
      return { at, scale, shift, mean, invStd, xhat, pixelBytes: T * C * 4, stepBytes: C * 4 }
    }
    const a = term('A')
    const second = terms === 'A+B' ? term('B') : undefined
    b.emit(
      neuron,
      Math.ceil(pixels / units),
      {
        a: a.at,
        aPixelBytes: a.pixelBytes,
        aStepBytes: a.stepBytes,
        aScale: a.scale,
        aShift: a.shift,
        aMean: a.mean,
        aInvStd: a.invStd,
        aXhat: a.xhat,
        aGroupBytes: 0,
        b: second?.at,
        bPixelBytes: second?.pixelBytes,
        bStepBytes: second?.stepBytes,
        bScale: second?.scale,
        bShift: second?.shift,
        bMean: second?.mean,
        bInvStd: second?.invStd,
        bXhat: second?.xhat,
        spikes: terms === 'A+S' ? spikes : undefined,
        spikePlaneBytes: size,
        spikeScale: 1,
        masks,
        planeBytes: size,
        counts,
        eligibility: float('eligibility', size),
        countPartials: partials,
        pixels,
        channels: C,
        pixelsPerUnit: units,
        steps: T,
        totalSteps: T,
        lambda: 0.2,
        kappa: 1,
        rest: 0,
        threshold: 1,
        hardReset: false,
        detach: true,
        surrogate: Surrogate.Sigmoid,
        alpha: 4,
      },
      { scratch: neuronScratch(T, C) },
    )
    return { floats, spikes, partials, masks }
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
    const shape = { channels: C, groups: 1, rows }
    const coefficients = float('coefficients', NormSize.CoefficientRows * C)
    const partial = float('partial', units * Moments.Rows * C)
    if (backward) {
      const chunks = { ...shape, rowsPerUnit, delta, xhat }
      b.emit(normBackwardReduce, units, { ...chunks, partial })
      b.emit(normBackwardFinish, 1, {
        ...shape,
        units,
        partial,
        weight,
        invStd,
        coefficients,
        weightGradient,
        biasGradient,
        accumulate: false,
      })
      b.emit(normBackwardApply, units, { ...chunks, coefficients, out })
    } else {
      b.emit(normStatistics, units, { ...shape, rowsPerUnit, in: input, partial })
      b.emit(
        normFinish,
        Math.ceil(C / NormSize.FinishChannels),
        {
          ...shape,
          units,
          partial,
          weight,
          bias,
          runningMean,
          runningVar,
          mean,
          invStd,
          scale,
          shift,
          epsilon: 1e-5,
          momentum: 0.1,
          repeats: 1,
          totalSteps: T,
        },
        { scratch: NormSize.FinishScratchBytes },
      )
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
    `T = ${T}, rate method. GB/s: bytes that have to be read and written; the peak is a ` +
      `copy of as many bytes. The neuron evaluates a sigmoid at each step, hence its distance.`,
    'A: one current; A+S: with a shortcut of spikes; A+B: two currents. × naive JS of ' +
      'A+S and A+B compares with the loop of A.',
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
