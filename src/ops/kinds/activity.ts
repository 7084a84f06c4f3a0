/** Ops that pass over activities: each is one record of a network. */

import { Control } from '../../../assembly/opcodes.js'
import { checkInteger, fail } from '../../base/errors.js'
import { factorsOf } from '../../compile/emit/norm.js'
import { placesOf } from '../../compile/emit/over-time.js'
import { storedChannels, weightLayout } from '../../compile/layout.js'
import * as records from '../../kernels/records/activity.js'
import * as sums from '../../kernels/records/gradient.js'
import * as signals from '../../kernels/records/signals.js'
import { delaysOf, emitDelay, emitDelaySpikes } from '../../nn/layers/delay.js'
import * as layers from '../../nn/layers/index.js'
import {
  asked,
  back,
  gives,
  LAST_STEP,
  op,
  pass,
  setting,
  shows,
  stepSetting,
  takes,
  through,
  updates,
} from '../op.js'
import * as is from '../options.js'
import { extentOf, imageOf, imagesOf, MOST_STEPS, still } from '../shapes.js'
import * as tensors from '../tensor.js'

/**
 * output = max(0, input).
 * @example
 * ```ts
 * import * as ops from 'spikewasm/ops'
 *
 * const x = Float32Array.of(-1, 2, 3, -4) // two steps of two numbers
 * const { counts } = ops.relu({ input: [1, 2, 2], outputs: ['counts', 'output'] }, x)
 * const ofMeans = { input: [1, 2], counts: true, timeSteps: 2 }
 * console.log(ops.reluBackward(ofMeans, Float32Array.of(1, 1), counts)) // 0.5, 0.5
 * ```
 */
export const relu = op('relu', {
  options: {
    /** [B, C], [B, C, H, W], or one of these behind T. */
    input: is.activity,
    /** Names of what to compute and return. Default ['output']. */
    outputs: is.outputs('output', 'counts'),
  },
  tensors: ({ input }) => ({
    ...through(tensors.floats(input)),
    /** At how many of the steps it is above 0, without T: the gradient of time means needs it. */
    counts: asked(tensors.bytes(still(input))),
  }),
  // Counts go on from the run before.
  sets: ({ input }, { asked }) => asked.has('counts') && stepSetting(MOST_STEPS - input.T),
  emit: (o, { input, output: out, counts }, of) =>
    pass(o, records.reluForward, of.input, { in: input, out, counts }),
})

/**
 * The gradient of `ops.relu`: delta where the output is > 0, else 0. With `counts`, of time means:
 * delta · counts / timeSteps, the mean of that derivative.
 */
export const reluBackward = op('reluBackward', {
  options: {
    /** [B, C], [B, C, H, W], or one of these behind T. With `counts` without T. */
    input: is.needed<readonly number[]>(),
    /** The gradient is of time means: `counts` [B, C, …] is the second argument. Default false. */
    counts: is.flag(),
    /** With `counts`: the steps that were counted. */
    timeSteps: is.given<number>(),
  },
  derive({ input, counts, timeSteps }, { op }) {
    if (counts) checkInteger(`${op}.timeSteps`, timeSteps as number, 1, MOST_STEPS)
    if (!counts && timeSteps !== undefined)
      fail(`${op}.timeSteps is of counts; set counts: true or leave it out`)
    return { extent: extentOf(`${op}.input`, input, counts ? 'never' : 'maybe') }
  },
  tensors: ({ extent, counts }) => ({
    /** The gradient of the output. */
    delta: takes(tensors.floats(extent)),
    /** What `ops.relu` gave, or its input. */
    output: !counts && takes(tensors.floats(extent)),
    /** At how many steps the output was above 0. */
    counts: counts && takes(tensors.bytes(extent)),
    /** The shape of delta. */
    inputGradient: gives(tensors.floats(extent)),
  }),
  emit: (
    o,
    { delta, output: activity, counts, inputGradient: out },
    { extent, timeSteps: all = extent.T },
  ) =>
    pass(o, records.reluBackward, extent, { delta, activity, counts, out, factor: 1 / all }, all),
})

const random = {
  /** For the random numbers, 0…2³² − 1. Default 0. */
  seed: is.integerIf(0, 2 ** 32 - 1, 0),
}
/**
 * For runs with random numbers.
 * @interface
 */
export type DropoutSettings = is.OptionsIn<typeof random>
const seedSetting = setting(random, (block, { seed }) => block.word(Control.Seed, seed))

const draws = {
  /** Probability that a neuron is silenced, 0…1, 1 excluded. Default 0.5. */
  p: is.option((_, p?: number) => layers.dropout(p).p),
  /** Which stream of random numbers it draws from; a network's n-th dropout has n. Default 1. */
  stream: is.integerIf(0, 2 ** 31 - 1, 1),
}

/**
 * Dropout: output[t] = m · input[t], where m is 0 with probability p and else 1, the same at all
 * time steps. m depends on seed, stream and the place of the neuron. As in a network the factor
 * 1/(1 − p) is left to who reads the result (`scale`), so that spikes stay spikes.
 * @example
 * ```ts
 * import * as ops from 'spikewasm/ops'
 *
 * const x = new Float32Array(1000).fill(1)
 * const y = ops.dropout({ input: [1, 1000], p: 0.2 }, x, { seed: 7 })
 * const back = ops.dropoutBackward({ input: [1, 1000], p: 0.2 }, x, { seed: 7 })
 * console.log([...y].reduce((a, b) => a + b, 0), y.join() === back.join())
 * ```
 */
export const dropout = op('dropout', {
  options: {
    /** [B, C], [B, C, H, W], or one of these behind T. */
    input: is.activity,
    ...draws,
    /** The input holds spikes, bytes of 0 and 1, and so does the result. Default false: floats. */
    spikes: is.flag(),
    /** Names of what to compute and return. Default ['output']. */
    outputs: is.outputs('output', 'counts'),
  },
  returns: 'output',
  tensors({ input, spikes }, { op, asked }) {
    if (!spikes && asked.has('counts'))
      fail(`${op}.outputs: 'counts' are of spikes; set spikes to true`)
    return {
      ...through(tensors.activities(input, spikes)),
      /** For spikes: those of each neuron that are left over all steps, without T. */
      counts: spikes && gives(tensors.countsOf('output')),
    }
  },
  sets: () => seedSetting,
  emit(o, { input, output: out, counts }, { input: of, p: probability, stream, spikes }, made) {
    const fields = { in: input, out, probability, stream }
    if (!spikes || !counts) return pass(o, records.dropoutFloats, of, fields)
    const { sizes, counts: inCounts, count } = made.input as tensors.SpikesTensor
    const planeBytes = sizes.slice(1).reduce((a, b) => a * b, 1)
    const planes = { planeBytes, inPlaneBytes: planeBytes }
    pass(o, records.dropout, of, { ...fields, ...planes, inCounts: inCounts.buffer, counts }, 1)
    return { before: count }
  },
})

/**
 * The gradient of `ops.dropout`, of spikes and of floats: m · delta[t], with the m of the same
 * seed, stream and p. A delta of time means has no T. The factor 1/(1 − p) is left to who hands it
 * over.
 */
export const dropoutBackward = op('dropoutBackward', {
  options: {
    /** [B, C], [B, C, H, W], or one of these behind T. */
    input: is.activity,
    ...draws,
  },
  tensors: ({ input }) => back(input),
  sets: () => seedSetting,
  emit: (o, { delta, inputGradient: out }, { input, p: probability, stream }) =>
    pass(o, records.dropoutFloats, input, { in: delta, out, probability, stream }),
})

/**
 * Sums over time, output = Σ over t of input[t], without T.
 */
export const timeSum = op('timeSum', {
  options: {
    /** [B, T, C, H, W] or [B, T, C]. */
    input: is.timed,
    /** Sums go on from run to run, by the setting `step`. Default false. */
    carry: is.flag(),
  },
  tensors: ({ input }) => through(tensors.floats(input), tensors.floats(still(input))),
  sets: ({ carry }) => carry && stepSetting(LAST_STEP),
  emit: (o, { input, output: out }, { input: of, carry: loop }) =>
    pass(o, sums.timeSum, of, { in: input, out, loop }),
})

const decay = {
  /** Time constant of the neurons that made the spikes, in time steps, > 1. Default 1.25. */
  tau: is.option((_, tau?: number) => 1 - 1 / (layers.lif({ tau }).tau as number)),
}

/**
 * Presynaptic traces of OTTT (Xiao et al., NeurIPS 2022, eq. 8), a[t] = λ·a[t − 1] + x[t] with λ =
 * 1 − 1/τ. a is 0 before step 0.
 */
export const trace = op('trace', {
  options: {
    /** [B, C], [B, C, H, W], or one of these behind T. */
    input: is.activity,
    ...decay,
    /** The input holds spikes, bytes of 0 and 1. Default false: floats. */
    spikes: is.flag(),
  },
  returns: 'trace',
  tensors: ({ input, spikes }) => ({
    /** Floats, or with `spikes` bytes. */
    input: takes(tensors.activities(input, spikes)),
    /** The one before the run, and then the one behind its last step, without T. */
    trace: updates(tensors.floats(still(input))),
  }),
  // At step 0 the trace before is not read.
  sets: () => stepSetting(LAST_STEP),
  emit(o, at, { input: of, tau: lambda, spikes }, made) {
    const room = of.B * of.H * of.W * of.T * made.trace.stored * 4
    const read = spikes ? o.b.buffer('presynaptic spikes', room) : at.input
    if (spikes)
      tensors.emitSpikeFloats(o.b, made.input as tensors.SpikesTensor, of, of.T, read, false)
    pass(o, sums.trace, of, { in: read, out: at.trace, lambda })
  },
})

/**
 * Gradients δ that meet traces, as gradients D that meet the spikes themselves, so that kernels on
 * spikes compute Σ δ[t] ⊗ a[t]:
 *
 *     Σ over t of δ[t] ⊗ a[t] = Σ over t of D[t] ⊗ x[t] + λ·D[1] ⊗ a[0]
 *     D[t] = δ[t] + λ·D[t + 1]
 * @example
 * ```ts
 * import * as ops from 'spikewasm/ops'
 *
 * const x = Uint8Array.of(1, 0, 0, 1) // one neuron, four steps
 * const delta = Float32Array.of(1, 2, 3, 4)
 * console.log(ops.trace({ input: [1, 4, 1], tau: 2, spikes: true }, x)) // 1/8 + 1
 * const D = ops.traceGradient({ input: [1, 4, 1], tau: 2 }, delta)
 * // Traces are 1, 1/2, 1/4, 9/8.
 * console.log(1 + 2 / 2 + 3 / 4 + (4 * 9) / 8, D[0] + D[3])
 * ```
 */
export const traceGradient = op('traceGradient', {
  options: {
    /** [B, T, C, H, W] or [B, T, C]. */
    input: is.timed,
    ...decay,
    /** Names of what to compute and return. Default ['inputGradient']. */
    outputs: is.outputs('inputGradient', 'before'),
  },
  tensors: ({ input }) => ({
    ...back(input),
    /** λ·D[1], without T: the gradient that meets the trace from before the run. */
    before: asked(tensors.floats(still(input))),
  }),
  emit: (o, { delta, inputGradient: out, before }, { input, tau: lambda }) =>
    pass(o, sums.traceGradient, input, { delta, out, before, lambda }),
})

/**
 * output = input · factor, by channel or by neuron; its own gradient, too.
 */
export const scale = op('scale', {
  options: {
    /** [B, C], [B, C, H, W], or one of these behind T. */
    input: is.activity,
    /** Finite numbers: one for each channel, or one for each neuron in the order [C][H][W]. */
    factor: is.option((_, factor: readonly number[]) => layers.scale(factor).factor),
  },
  derive({ input, factor }, { op }) {
    const { C, H, W } = input
    if (!Array.isArray(factor) || ![C, C * H * W].includes(factor.length))
      fail(`${op}.factor must be a list of ${C} numbers, or of ${C * H * W}`)
    return { factors: factorsOf(factor, imageOf(input), storedChannels(C)) }
  },
  tensors: ({ input }) => through(tensors.floats(input)),
  emit: (o, { input, output: out }, { input: of, factors }) =>
    pass(o, signals.scaled, of, { ...factors, in: input, out }),
})

const delays = {
  /** [B, T, C] or [B, T, C, H, W]. */
  input: is.timed,
  /** Steps by which the signal comes later, 0 … 4096: one number, or one for each channel. */
  steps: is.option((_, steps: number | readonly number[]) => layers.delay(steps).steps),
}

/** The op's steps and its images. */
function delayed({ input, steps }: is.Checked<typeof delays>, { op }: { readonly op: string }) {
  if (typeof steps !== 'number' && steps.length !== input.C)
    fail(`${op}.steps must be one number, or a list of ${input.C}`)
  return { job: { ...imagesOf(input), ...delaysOf(steps, storedChannels(input.C)) } }
}

/**
 * output[t] = input[t − steps], zeros before.
 */
export const delay = op('delay', {
  options: {
    ...delays,
    /** The input holds spikes, bytes of 0 and 1, and so does the result. Default false: floats. */
    spikes: is.flag(),
  },
  derive: (of, o) => delayed(of, o),
  tensors: ({ input, spikes }) => ({
    ...through(tensors.activities(input, spikes)),
    /** For spikes: those of each neuron over all steps. */
    outputCounts: spikes && shows(tensors.countsOf('output')),
  }),
  emit({ b }, { input, output: out, outputCounts: counts }, { input: of, job }) {
    const places = { ...job, in: input, out }
    const inPlaneBytes = of.B * of.H * of.W * job.stored
    if (!counts) emitDelay(b, { ...places, inRows: of.T, back: false })
    else emitDelaySpikes(b, { ...places, counts, inPlaneBytes })
  },
})

/**
 * The gradient of `ops.delay`: inputGradient[t] = delta[t + steps], zeros behind.
 */
export const delayBackward = op('delayBackward', {
  options: delays,
  derive: (of, o) => delayed(of, o),
  tensors: ({ input }) => back(input),
  emit: ({ b }, { delta, inputGradient: out }, { input, job }) =>
    emitDelay(b, { ...job, in: delta, out, inRows: input.T, back: true }),
})

const placing = {
  /** Shape [N, C, count] of N outputs, C inputs, and synapses of two of them. */
  weight: is.shaped('N C count'),
  /** Steps of the kernel, 2 to 4097. */
  taps: is.integer(2, 4097),
  /** Weights are shared out by a Gaussian. Default false: to the two nearest taps. */
  gauss: is.flag(),
}

function places({ weight: [outputs, inputs, count], taps }: is.Checked<typeof placing>) {
  const shape = [outputs, inputs, taps]
  const layout = weightLayout(shape, outputs, inputs, taps, storedChannels(inputs))
  return { layout, ...placesOf({ outputs, inputs, pixels: 1, count }, taps) }
}

const positions = ({ weight, gauss }: is.Checked<typeof placing>) => ({
  /** [N, C, count] */
  weight: takes(tensors.numbers(weight)),
  /** Taps with a fraction, [N, C, count]; those outside count as the nearest end. */
  position: takes(tensors.numbers(weight)),
  /** With `gauss`: the Gaussians' deviations less 0.27, [N, C, count]. */
  sigma: gauss && takes(tensors.numbers(weight)),
})

/**
 * Kernels over time steps from weights at positions between their taps, as `dcls1d()` has them:
 *
 *     output[n, c, d] = Σ over k of weight[n, c, k] · u[d] / Σ u
 *
 * with u[d] = max(0, 1 − |d − position|), or a Gaussian of the deviation |sigma| + 0.27 about it.
 */
export const placeWeights = op('placeWeights', {
  options: placing,
  derive: places,
  tensors: (of) => ({
    ...positions(of),
    /** [N, C, taps] */
    output: gives(tensors.weights(of.layout)),
  }),
  emit: ({ b }, { output: kernel, ...at }, { units, fields }) =>
    b.emit(signals.placeWeights, units, { ...at, kernel, ...fields, offset: 0, slope: 1 }),
})

/**
 * The gradients of `ops.placeWeights` of its weights and positions.
 */
export const placeWeightsBackward = op('placeWeightsBackward', {
  options: placing,
  derive: places,
  tensors: (of) => ({
    ...positions(of),
    /** The gradient of the output, [N, C, taps]. */
    delta: takes(tensors.weights(of.layout)),
    /** [N, C, count] */
    weightGradient: gives(tensors.numbers(of.weight)),
    /** [N, C, count] */
    positionGradient: gives(tensors.numbers(of.weight)),
  }),
  emit: ({ b }, { delta: kernel, ...at }, { units, fields }) =>
    b.emit(signals.placeWeightsBackward, units, { ...at, kernel, ...fields, offset: 0, slope: 1 }),
})
