/**
 * Convolutions over the time steps, whose weights lie at positions that are learnt. The rows of a
 * pixel are read as the width of an image, so that all kernels of convolutions serve.
 */

import { fail } from '../../base/errors.js'
import { delay, placeWeights, placeWeightsBackward } from '../../kernels/records/signals.js'
import { type Buffer, type Reference, ref } from '../../kernels/records/words.js'
import type { LearntDelays } from '../../network/delays.js'
import type { GraphNode } from '../../network/trace.js'
import { inUnits } from '../budgets.js'
import { segmentOf } from '../context.js'
import type { Geometry } from '../convolution/geometry.js'
import { emitForwardOnFloats, emitInputGradient, emitWeightGradient } from '../convolution/index.js'
import { blockWidth, storedChannels, weightRows } from '../layout.js'
import { quoteMethodsWith } from '../methods.js'
import { type FloatBuffer, type Pass, term } from '../pass.js'
import { type Expression, rowsOf, wantsGradient } from '../tensors.js'
import { countValues } from './activity.js'
import { plainFloat } from './materialise.js'
import { handBackWeighted } from './weighted.js'
import { materialise } from './write-out.js'

/** Sizes of a kernel over time, and how it lies: as a weight does, or depthwise. */
export function placesOf(
  { outputs, inputs, pixels, count }: Record<'outputs' | 'inputs' | 'pixels' | 'count', number>,
  taps: number,
  depthwise = false,
) {
  const stored = storedChannels(outputs)
  const inC = storedChannels(inputs)
  const width = depthwise ? stored : blockWidth(outputs)
  const rows = depthwise ? taps : weightRows(pixels * taps, inC)
  const strides = depthwise
    ? { inputStride: 0, tapStride: width }
    : { inputStride: width, tapStride: inC * width }
  const sizes = { outputs, inputs, pixels, count, taps, width, blockFloats: rows * width }
  return { units: stored / width, floats: stored * rows, fields: { ...sizes, ...strides } }
}

/** A layer whose kernel reads all channels and pixels, or with `depthwise` each by itself. */
export interface OverTime extends LearntDelays {
  readonly kind: string
  readonly places: ReturnType<typeof placesOf>
  readonly depthwise: boolean
  /** Name of the positions: of tap offset + slope · position. */
  readonly position: string
  readonly offset: number
  readonly slope: number
}

/** Sizes of its convolution over rows of so many steps, at `before` of which zeros are added. */
function geometryOf(
  { images, callSteps }: Pass,
  { places: { fields }, depthwise }: OverTime,
  { shape: [, h, w], stored: inC }: FloatBuffer,
  inW: number,
  padW: number,
): Geometry {
  const { outputs, taps: kernelW } = fields
  const [outH, kernelH] = depthwise ? [h * w, 1] : [1, h * w]
  const grouping = { groups: outputs, groupIn: 1, groupOut: 1, depthwise: true }
  const sizes = { images, inH: h * w, inW, inC, outH, outW: callSteps, padH: 0, padW }
  const window = { kernelH, kernelW, strideH: 1, strideW: 1, blockWidth: blockWidth(outputs) }
  return { ...sizes, ...window, outC: storedChannels(outputs), ...(depthwise && { grouping }) }
}

/** The rows of a call, those of the `before` steps in front of it too. */
function withPast(pass: Pass, { name }: GraphNode, from: FloatBuffer, before: number): Buffer {
  const { shape, stored, buffer } = from
  const pixels = pass.images * shape[1] * shape[2]
  const steps = pass.callSteps
  const bytes = pixels * stored * 4
  const out = pass.b.buffer(`${name} steps so far`, bytes * (before + steps))
  const { units, pixelsPerUnit } = inUnits(pixels, stored * (before + steps))
  pass.b.emit(delay, units, {
    in: buffer,
    out,
    by: 0,
    most: before,
    before,
    history: pass.carried(`${name} steps before`, bytes * before, 'kept'),
    inRows: steps,
    pixels,
    channels: stored,
    steps,
    pixelsPerUnit,
  })
  return out
}

/** @throws SpikewasmError where gradients do not run through all of time */
function expectWholeTime({ context, options }: Pass, where: string): void {
  const { method } = context
  if (method.neuron !== 'time' || context.outer)
    fail(
      `${where}: delays are learnt through time, which method ` +
        `'${options.method}' does not do: it learns from ` +
        (method.rows === 'one' ? 'means over the steps' : 'each step alone') +
        `; use ${quoteMethodsWith(({ neuron }) => neuron === 'time')}, or delay() of whole steps`,
    )
  if (segmentOf(options) !== undefined)
    fail(
      `${where}: truncate cuts gradients between segments of time, and those of learnt delays ` +
        'pass from one to the next; leave truncate out, or use delay() of whole steps',
    )
}

/**
 * Lowers it.
 * @throws SpikewasmError where gradients do not run through all of time
 */
export function overTime(pass: Pass, node: GraphNode, of: OverTime, x: Expression): Expression {
  const { b, context, callSteps, training } = pass
  const { name, index } = node
  if (training) expectWholeTime(pass, `${name} (${of.kind})`)
  const { units, floats, fields } = of.places
  const before = of.maxDelay
  const plain = plainFloat(x)
  const isReady = plain?.buffer !== undefined && plain.steps === callSteps
  const input = isReady ? (plain as FloatBuffer) : materialise(pass, node, x, callSteps)
  const weight = context.parameter(index, 'weight')
  if (weight) countValues(pass, node, 'input', input.shape, input)
  const position = context.parameter(index, of.position) as Reference
  const sigma = of.interpolation === 'gauss' ? context.statistic(index, 'SIG') : undefined
  const shared = { weight, position, sigma, offset: of.offset, slope: of.slope, ...fields }
  const kernel = pass.forParameters(`${name} weights over time`, floats * 4, 'parameters')
  pass.fromParameters(() =>
    b.emit(placeWeights, units, { ...shared, kernel, kept: training ? position : undefined }),
  )
  const output = pass.floatTensor(`${name} current`, node.shape, callSteps)
  const { zeros } = context.buffers
  const job = { name, steps: 1, weight: ref(kernel), zeros }
  const bias = context.parameter(index, 'bias')
  const past = context.outer ? withPast(pass, node, input, before) : undefined
  const rows = rowsOf(past ?? input.buffer, input.stored)
  const geometry = (): Geometry =>
    geometryOf(pass, of, input, callSteps + (past ? before : 0), past ? 0 : before)
  pass.make(output, { layers: 1, byImages: true }, () =>
    emitForwardOnFloats(b, { ...job, g: geometry(), bias, out: output.buffer, input: rows }),
  )
  return handBackWeighted(pass, node, output, {
    sizes: { ...geometry(), outW: 1 },
    weight(delta) {
      const gradient = b.buffer(`${name} gradient over time`, floats * 4)
      const toKernel = { name, g: geometry(), steps: 1, delta, input: rows, out: ref(gradient) }
      emitWeightGradient(b, { ...toKernel, accumulate: false })
      b.emit(placeWeightsBackward, units, {
        ...shared,
        kernel: gradient,
        weightGradient: pass.gradient(index, 'weight'),
        positionGradient: pass.gradient(index, of.position) as Reference,
      })
    },
    to: x.terms.some(wantsGradient) ? { shape: input.shape, terms: [term(input)] } : undefined,
    stored: input.stored,
    input: (out, delta) => emitInputGradient(b, { ...job, g: geometry(), delta, out }),
  })
}
