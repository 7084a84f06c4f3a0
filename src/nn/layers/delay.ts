/** Delays by time steps. By whole ones spikes stay spikes; all else is written out. */

import { checkArguments, describe, fail } from '../../base/errors.js'
import { complete } from '../../base/rules.js'
import { inUnits } from '../../compile/budgets.js'
import { segmentOf } from '../../compile/context.js'
import { handBack } from '../../compile/emit/gradients.js'
import { emitScaled, factorsOf } from '../../compile/emit/norm.js'
import { overTime, placesOf } from '../../compile/emit/over-time.js'
import { spikesOrFloats } from '../../compile/emit/write-out.js'
import { quoteMethodsWith } from '../../compile/methods.js'
import { defineLayer, type FloatBuffer, type Pass, term } from '../../compile/pass.js'
import type { ProgramBuilder } from '../../compile/program.js'
import type { Expression, SpikeTensor, StoredImages } from '../../compile/tensors.js'
import type { FieldsOf } from '../../kernels/records/schema.js'
import { delay as delayFloats, delaySpikes } from '../../kernels/records/signals.js'
import type { Buffer } from '../../kernels/records/words.js'
import {
  delayRules,
  type LearnDelayOptions,
  type LearntDelays,
  MOST_DELAY,
  sigmas,
} from '../../network/delays.js'
import { layerOf, noMore, type OfKind } from '../../network/kind.js'
import type { GraphNode } from '../../network/trace.js'
import { show } from '../../network/value.js'

/** What `delay` makes. */
export interface Delay extends OfKind<'delay'> {
  /** Time steps by which the signal comes later: one number, or one for each channel. */
  readonly steps: number | readonly number[]
  /** How they are learnt; absent: they are fixed. */
  readonly learn?: LearntDelays
}

/**
 * Delays a signal by time steps, any shape: y_t = x_{t − steps}, zeros before. Whole steps are
 * fixed, and spikes stay spikes. A stream keeps the last steps from call to call.
 *
 * With options each channel learns its delay, which may have a fraction: parameter `delay` [C], the
 * steps with which it begins. Between two steps it reads as `interpolation` says, with 'gauss' by
 * `SIG` [C], which is set and not learnt. A training step first moves delays outside 0 … `maxDelay`
 * back to the nearest end. Method bptt alone trains it, as `dcls1d`, which learns a delay for each
 * synapse.
 *
 * With fixed steps:
 * Method bptt takes the exact gradient. In method rate, whose gradients are means over the T steps,
 * the gradient is multiplied by (T − steps)/T: so many of the steps arrive. Methods ottt and sltt
 * learn at each step from that step alone and cannot train through a delay.
 * @param steps an integer 0 … 4096, or one for each channel; with options a number 0 … `maxDelay`
 * @param learn how they are learnt; left out: they are not
 * @throws SpikewasmError for other numbers, and when the network is compiled for an array of
 *   another length than the channels
 */
export function delay(
  steps: number | readonly number[],
  learn?: LearnDelayOptions,
  ...more: []
): Delay {
  checkArguments('delay', more)
  const learnt = learn === undefined ? learn : complete('delay', delayRules, learn)
  const most = learnt?.maxDelay ?? MOST_DELAY
  const fits = (value: unknown): boolean =>
    (learnt ? Number.isFinite(value) : Number.isInteger(value)) &&
    (value as number) >= 0 &&
    (value as number) <= most
  const rule = (): string =>
    `delay.steps must be ${learnt ? 'a number' : 'an integer'} from 0 to ${most}, or a list of ` +
    'one for each channel, got '
  const own = learnt && { learn: learnt }
  if (!Array.isArray(steps)) {
    if (!fits(steps)) fail(rule() + describe(steps))
    return layerOf(delayKind, { steps, ...own })
  }
  const wrong = steps.findIndex((value) => !fits(value))
  if (steps.length <= 0) fail(`${rule()}an empty list`)
  if (wrong >= 0) fail(`${rule()}${describe(steps[wrong])} at index ${wrong}`)
  return layerOf(delayKind, { steps: [...steps], ...own })
}

const delayKind = defineLayer<Delay>('delay', {
  again: ({ steps, learn, ...rest }) => delay(steps, learn, ...noMore('delay', rest)),
  output({ steps }, x, where) {
    const [c, h, w] = x.shape
    if (typeof steps !== 'number' && !(steps.length === c && !(x.flat && h * w > 1)))
      fail(
        `${where}: has ${(steps as readonly number[]).length} delays, its input ${show(x)} ` +
          (x.flat && h * w > 1 ? 'is flattened: put it before flatten()' : `needs ${c}`),
      )
    return [x.shape, x.flat]
  },
  parameters({ steps, learn }, [channels]) {
    const initial = typeof steps === 'number' ? steps : { values: steps }
    return learn ? [{ name: 'delay', shape: [channels], decays: false, initial }] : []
  },
  statistics: ({ learn }, [channels]) => (learn ? sigmas(learn, [channels]) : []),
  lower(pass, node, { steps: delays, learn }, x) {
    if (learn) return learntDelays(pass, node, learn, x)
    const { b, context, images, callSteps: steps } = pass
    if ([delays].flat().every((by) => by === 0)) return { ...x, shape: node.shape }
    if (pass.training && context.method.neuron === 'surrogate')
      fail(
        `${node.name} (delay): method '${pass.options.method}' learns at each step from that ` +
          `step alone and cannot train through a delay; use ` +
          quoteMethodsWith((traits) => traits.neuron !== 'surrogate'),
      )
    const { input, scale } = spikesOrFloats(pass, node, x)
    const { shape, stored } = input
    const neurons = images * shape[1] * shape[2] * stored
    const of = delaysOf(delays, stored)
    const bytes = neurons * (input.kind === 'spikes' ? Math.ceil(of.most / 8) : 4 * of.most)
    const history = context.outer
      ? pass.carried(`${node.name} steps before`, bytes, 'kept')
      : undefined
    const job = { images, shape, stored, steps, history, ...of }
    const output =
      input.kind === 'spikes'
        ? pass.spikeTensor(node.name, shape, input.lambda)
        : pass.floatTensor(node.name, shape, steps)
    if (input.kind === 'spikes' && output.kind === 'spikes') {
      const places = { in: input.masks, out: output.masks, counts: output.counts }
      emitDelaySpikes(b, { ...job, ...places, inPlaneBytes: neurons })
    } else if (input.kind === 'float' && output.kind === 'float') {
      const places = { in: input.buffer, out: output.buffer }
      const emit = (): void => emitDelay(b, { ...job, inRows: input.steps, ...places })
      if (history) emit()
      else pass.make(output, { layers: 0, byImages: false }, emit)
    }
    handBack(pass, node, output, input, false, backward(pass, delays, input))
    return { shape: node.shape, terms: [term(output, scale)] }
  },
})

/** A convolution over time with a kernel for each channel. */
function learntDelays(pass: Pass, node: GraphNode, learn: LearntDelays, x: Expression): Expression {
  const { maxDelay: offset } = learn
  const sizes = { outputs: x.shape[0], inputs: 1, pixels: 1, count: 1 }
  const places = placesOf(sizes, offset + 1, true)
  const place = { position: 'delay', offset, slope: -1, depthwise: true, places }
  return overTime(pass, node, { kind: 'delay', ...learn, ...place }, x)
}

/** Gradients of steps come earlier; that of a time mean is a share, of the steps that arrive. */
function backward(
  { b, images, options, context }: Pass,
  delays: Delay['steps'],
  { shape, stored }: FloatBuffer | SpikeTensor,
) {
  return (delta: Buffer, out: Buffer, steps: number): void => {
    const job = { images, shape, stored, steps, in: delta, out }
    if (context.method.rows === 'steps') {
      const way = { inRows: steps, back: true, segment: segmentOf(options) }
      emitDelay(b, { ...job, ...way, ...delaysOf(delays, stored) })
      return
    }
    const { timeSteps } = options
    const shares = Array.from({ length: shape[0] }, (_, c) => {
      const by = typeof delays === 'number' ? delays : delays[c]
      return Math.max(0, timeSteps - by) / timeSteps
    })
    emitScaled(b, { ...job, ...factorsOf(shares, [shape[0], 1, 1], stored) })
  }
}

/** Steps as the kernels read them: one number, or one for each channel as stored. */
export type Delays = Pick<FieldsOf<typeof delayFloats>, 'by' | 'delays' | 'most'>

export function delaysOf(steps: Delay['steps'], stored: number): Delays {
  if (typeof steps === 'number') return { by: steps, most: steps }
  const values = new Int32Array(stored)
  values.set(steps)
  return { delays: new Uint8Array(values.buffer), most: steps.reduce((a, b) => Math.max(a, b), 0) }
}

type Jobs<K> = StoredImages & Omit<FieldsOf<K>, 'pixels' | 'channels' | 'pixelsPerUnit'>

function sizesOf<J extends StoredImages>({ images, shape, stored, ...job }: J, floats: number) {
  const pixels = images * shape[1] * shape[2]
  const { units, pixelsPerUnit } = inUnits(pixels, floats)
  return { units, fields: { ...job, pixels, channels: stored, pixelsPerUnit } }
}

/** For floats; `back`: the gradient. */
export function emitDelay(
  b: ProgramBuilder,
  { inRows, back, ...job }: Jobs<typeof delayFloats>,
): void {
  const { units, fields } = sizesOf(job, job.stored * job.steps)
  b.emit(delayFloats, units, { ...fields, inRows, back })
}

/** For spikes. */
export function emitDelaySpikes(
  b: ProgramBuilder,
  { counts, inPlaneBytes, ...job }: Omit<Jobs<typeof delaySpikes>, 'planeBytes'>,
): void {
  const { units, fields } = sizesOf(job, job.stored * 4)
  const planeBytes = fields.pixels * job.stored
  b.emit(delaySpikes, units, { ...fields, planeBytes, inPlaneBytes, counts })
}
