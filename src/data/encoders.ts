/**
 * Encoders: data sets of still inputs as data sets of frames, [T][C][H][W] of each sample. Names
 * and formulas are those of SpikingJelly's `encoding` and snnTorch's `spikegen`.
 */

import { checkInteger, describe, fail } from '../base/errors.js'
import { roundToEven } from '../base/numbers.js'
import { Purpose, RandomStream } from '../base/random.js'
import {
  complete,
  finite,
  integer,
  oneOf,
  optional,
  type Rules,
  range,
  such,
  truth,
} from '../base/rules.js'
import { pixelsFirst } from '../engine/run/run-words.js'
import { type InputShape, imageShape, showShapes } from '../network/value.js'
import {
  bytesOf,
  checkRoom,
  type Dataset,
  expectDataset,
  likeThat,
  MOST_STEPS,
  madeFrom,
  type ReadContext,
} from './datasets/dataset.js'
import { changesOf, hashOf, type Plain } from './plain.js'

/** Encoders by name. */
export const encoderNames = ['constant', 'rate', 'latency', 'delta', 'phase'] as const

/** How an input becomes T steps; `encoders` has a function for each. */
export type EncoderName = (typeof encoderNames)[number]

/** What every encoder of still inputs takes. */
export interface ConstantOptions {
  /** T, frames of a sample, 1 to 4,096. */
  readonly timeSteps: number
}

/** Options of `encoders.rate`. */
export interface RateOptions extends ConstantOptions {
  /** Integer from 0 to 2³² − 1; default 0. It decides the spikes of a test, and with the run's seed
   * and the epoch those of training. */
  readonly seed?: number
  /** snnTorch's `gain`: the chance of a spike is gain · x + offset; default 1. */
  readonly gain?: number
  /** snnTorch's `offset`; default 0. */
  readonly offset?: number
  /** snnTorch's `first_spike_time`: no spike in the steps before it; default 0. */
  readonly firstSpikeTime?: number
}

/** Options of `encoders.latency`. */
export interface LatencyOptions extends ConstantOptions {
  /**
   * When an input spikes. SpikingJelly's `enc_function`: 'linear', the default, at
   * (T − 1) · (1 − x); 'log' at T − 1 − ln(α · x + 1) with α = e^(T − 1) − 1. snnTorch's default,
   * here 'rc': at τ · ln(x / (x − θ)). Times are rounded, halves to the even step.
   */
  readonly function?: 'linear' | 'log' | 'rc'
  /** 'rc': τ in steps, > 0; default 1. */
  readonly tau?: number
  /**
   * 'rc': θ, above 0 and below 1; default 0.01. Inputs below it have the time τ · ln(10⁷ · θ), 11.5
   * steps by default; behind the last step that is no spike.
   */
  readonly threshold?: number
  /** 'rc': times of a sample are stretched so that the last is T − 1; default false. */
  readonly normalize?: boolean
  /** 'rc': inputs below the threshold do not spike; default false. */
  readonly clip?: boolean
}

/** Options of `encoders.delta`. */
export interface DeltaOptions {
  /** A spike where an input grew by at least so much since the step before; default 0.1. */
  readonly threshold?: number
  /** snnTorch's `padding`: the first step is its own predecessor, not zeros; default false. */
  readonly padding?: boolean
  /** snnTorch's `off_spike`: −1 where it fell by at least so much; default false. */
  readonly offSpike?: boolean
}

/** Options of `encoders.phase`. */
export interface PhaseOptions extends ConstantOptions {
  /** K, steps of a period, 1 to 24; default T. Step t has the bit of weight 2^−(1 + t mod K). */
  readonly phases?: number
}

/** Fills the frames, [T][n] numbers, of one sample. */
type Encode = (x: Float32Array, out: Float32Array, index: number, context?: ReadContext) => void

/** Reads a sample into `x`; its label. */
type Read = (index: number, x: Float32Array, context?: ReadContext) => number

/**
 * Encoders make a data set of frames of a data set of still inputs. Where the data are bytes, an
 * encoder but `constant` reads byte / scale, a number from 0 to 1, not the normalised number; other
 * data must be in 0 … 1 themselves. Spikes are 0 and 1.
 *
 * ```ts
 * const spikes = encoders.rate(train, { timeSteps: 8 })
 * ```
 */
export const encoders = {
  /**
   * The input itself at each step (SpikingJelly's examples call it direct encoding). A network for
   * still inputs is shown the same without an encoder, and faster.
   */
  constant: (data: Dataset, options: ConstantOptions, ...more: []): Dataset =>
    encoded('constant', data, options, more),
  /**
   * A spike at each step with probability x (`PoissonEncoder`, `spikegen.rate`). The spikes depend
   * on seed, epoch and index alone. In training they are new in each epoch.
   */
  rate: (data: Dataset, options: RateOptions, ...more: []): Dataset =>
    encoded('rate', data, options, more),
  /** `rate` by another name. */
  poisson: (data: Dataset, options: RateOptions, ...more: []): Dataset =>
    encoded('rate', data, options, more),
  /** One spike, the sooner the larger x is (`LatencyEncoder`, `spikegen.latency`). */
  latency: (data: Dataset, options: LatencyOptions, ...more: []): Dataset =>
    encoded('latency', data, options, more),
  /**
   * A spike where an input grew since the step before (`spikegen.delta`). The data are frames, or
   * series [C, L], which become L steps of C numbers.
   */
  delta: (data: Dataset, options: DeltaOptions = {}, ...more: []): Dataset =>
    encoded('delta', data, options, more),
  /** The bits of x, one a step (`WeightedPhaseEncoder`); x above 1 − 2^−K counts as that. */
  phase: (data: Dataset, options: PhaseOptions, ...more: []): Dataset =>
    encoded('phase', data, options, more),
}

const steps = integer(1, MOST_STEPS)

const rules = {
  constant: { timeSteps: steps },
  rate: {
    timeSteps: steps,
    seed: integer(0, 2 ** 32 - 1, 0),
    gain: finite(1),
    offset: finite(0),
    firstSpikeTime: integer(0, undefined, 0),
  },
  latency: {
    timeSteps: steps,
    function: oneOf(['linear', 'log', 'rc'] as const, 'linear'),
    tau: optional(range('> 0')),
    threshold: optional(such('above 0 and below 1', range('0…1 (both excluded)').fits)),
    normalize: optional(truth()),
    clip: optional(truth()),
  },
  delta: { threshold: range('≥ 0', 0.1), padding: truth(false), offSpike: truth(false) },
  phase: { timeSteps: steps, phases: optional(integer(1, 24)) },
} satisfies Record<EncoderName, object>

/** A data set through an encoder. @throws SpikewasmError when an option or the data are wrong */
export function encoded(
  encoder: EncoderName,
  data: Dataset,
  options: object,
  more: readonly unknown[] = [],
): Dataset {
  const name = `encoders.${encoder}`
  expectDataset(`${name}: the data`, data)
  const all = complete<object>(name, rules[encoder] as Rules<object>, options, more)
  if (!Array.isArray(data.shape))
    fail(`${name}: the data ${data.name}: shape must be given, got ${describe(data.shape)}`)
  if (data.inputs)
    fail(`${name}: the data ${data.name} must have one input, got ${showShapes(data.inputs)}`)
  imageShape(data.shape)
  const made =
    encoder === 'delta' ? deltaOf(name, data, all as DeltaOptions) : stillOf(encoder, data, all)
  const { timeSteps, shape, encode, read } = made
  const size = shape.reduce((a, b) => a * b, 1)
  const x = new Float32Array(encoder === 'delta' ? timeSteps * size : size)
  const dataset: Dataset = {
    ...likeThat(data),
    shape,
    timeSteps,
    read(index, out, context) {
      checkRoom(data.name, out.length, timeSteps * size)
      const label = read(index, x, context)
      encode(x, out, index, context)
      return label
    },
  }
  const plain = (of: Plain) => ({ kind: 'encoded', of, encoder, options: { ...options } })
  const hash = hashOf(data)
  const changes = encoder === 'rate' ? { rate: options, of: changesOf(data) } : changesOf(data)
  const encoding = JSON.stringify([encoder, options])
  const own = hash && (() => `${encoding} ${hash()}`)
  return madeFrom(data, dataset, plain, changes, own)
}

function stillOf(encoder: Exclude<EncoderName, 'delta'>, data: Dataset, options: object) {
  const name = `encoders.${encoder}`
  if (data.timeSteps !== undefined)
    fail(
      `${name}: the data ${data.name} must be still inputs, got frames; ` +
        'encoders.delta takes frames',
    )
  const { timeSteps } = options as ConstantOptions
  const read: Read =
    encoder === 'constant'
      ? (index, x, context) => data.read(index, x, context)
      : sharesOf(name, data, encoder !== 'rate')
  const encode = stills[encoder](options as never, data.shape)
  return { timeSteps, shape: data.shape, read, encode }
}

/** Reads a sample as numbers from 0 to 1. */
function sharesOf(name: string, data: Dataset, strict: boolean): Read {
  const pixels = bytesOf(data)
  if (pixels) {
    const bytes = new Uint8Array(data.shape.reduce((a, b) => a * b, 1))
    const { scale } = pixels.normalization
    return (index, x, context) => {
      const label = pixels.read(index, bytes, context)
      for (let i = 0; i < bytes.length; i++) x[i] = bytes[i] / scale
      return label
    }
  }
  return (index, x, context) => {
    const label = data.read(index, x, context)
    for (let i = 0; i < x.length; i++)
      if (!(x[i] >= 0 && x[i] <= 1))
        fail(
          `${name}: numbers of ${data.name} must be from 0 to 1, got ${x[i]} in sample ${index}; ` +
            (strict ? 'scale them first' : 'scale them first, or change gain and offset'),
        )
    return label
  }
}

/** Encoders of still inputs, by the options that are complete. */
const stills = {
  constant: (): Encode => (x, out) => {
    for (let at = 0; at < out.length; at += x.length) out.set(x, at)
  },
  rate(options: Required<RateOptions>, shape: InputShape): Encode {
    const { timeSteps, seed, gain, offset, firstSpikeTime } = options
    checkInteger('encoders.rate.firstSpikeTime', firstSpikeTime, 0, timeSteps - 1)
    const random = new RandomStream(Purpose.Encode)
    const [, height, width] = imageShape(shape)
    const pixels = height * width
    return (x, out, index, context) => {
      // Tests have an epoch of their own.
      if (context)
        random.start(seed ^ Math.imul(context.seed, 0x9e3779b1), context.epoch + 1, index)
      else random.start(seed, 0, index)
      // Numbers are drawn pixel by pixel: golden hashes hold this order.
      for (let t = 0; t < timeSteps; t++)
        for (let p = 0; p < pixels; p++)
          for (let i = p; i < x.length; i += pixels) {
            const spikes = random.uniform() < gain * x[i] + offset
            out[t * x.length + i] = spikes && t >= firstSpikeTime ? 1 : 0
          }
    }
  },
  phase:
    ({ timeSteps, phases = Math.min(timeSteps, 24) }: PhaseOptions): Encode =>
    (x, out) => {
      for (let i = 0; i < x.length; i++) {
        const bits = Math.min(Math.floor(x[i] * 2 ** phases), 2 ** phases - 1)
        for (let t = 0; t < timeSteps; t++)
          out[t * x.length + i] = (bits >> (phases - 1 - (t % phases))) & 1
      }
    },
  latency(options: LatencyOptions): Encode {
    const { timeSteps, function: kind, tau = 1, threshold = 0.01 } = options
    for (const key of ['tau', 'threshold', 'normalize', 'clip'] as const)
      if (kind !== 'rc' && options[key] !== undefined)
        fail(
          `encoders.latency.${key} belongs to function: 'rc', got it with '${kind}'; leave it out`,
        )
    const { normalize, clip } = options
    const last = timeSteps - 1
    // e^(T − 1) overflows; the logarithm of α · x + 1 does not.
    const alpha = Math.expm1(Math.min(last, 700))
    const time = {
      linear: (x: number) => last * (1 - x),
      log: (x: number) => last - Math.log(alpha * x + 1),
      rc(x: number) {
        const least = Math.max(x, threshold + 1e-7)
        return tau * Math.log(least / (least - threshold))
      },
    }[kind ?? 'linear']
    return (x, out) => {
      out.fill(0)
      let most = 0
      if (normalize) for (let i = 0; i < x.length; i++) most = Math.max(most, time(x[i]))
      const stretch = normalize && most > 0 ? last / most : 1
      for (let i = 0; i < x.length; i++) {
        if (clip && x[i] < threshold) continue
        const step = roundToEven(time(x[i]) * stretch)
        if (step <= last) out[Math.max(0, step) * x.length + i] = 1
      }
    }
  },
}

function deltaOf(name: string, data: Dataset, options: DeltaOptions) {
  const { threshold = 0.1, padding, offSpike } = options
  const isSeries = data.timeSteps === undefined && data.shape.length === 2
  if (data.timeSteps === undefined && !isSeries)
    fail(
      `${name}: the data ${data.name} must be frames or series [C, L], got samples of ` +
        `[${data.shape.join(', ')}]; encoders.rate takes them`,
    )
  const shape: InputShape = isSeries ? [data.shape[0]] : data.shape
  const timeSteps = isSeries ? (data.shape[1] as number) : (data.timeSteps as number)
  checkInteger(`${name}: steps of ${data.name}`, timeSteps, 1, MOST_STEPS)
  const size = shape.reduce((a, b) => a * b, 1)
  // PyTorch compares float32 with it.
  const least = Math.fround(threshold)
  const encode: Encode = (x, out) => {
    for (let i = 0; i < timeSteps * size; i++) {
      const before = i >= size ? x[i - size] : padding ? x[i] : 0
      const grown = Math.fround(x[i] - before)
      out[i] = grown >= least ? 1 : offSpike && grown <= -least ? -1 : 0
    }
  }
  const series = new Float32Array(isSeries ? timeSteps * size : 0)
  const read: Read = (index, x, context) => {
    const label = data.read(index, isSeries ? series : x, context)
    if (isSeries) pixelsFirst(x, 0, series, 0, size, timeSteps)
    return label
  }
  return { timeSteps, shape, encode, read }
}
