/** The presynaptic traces of a layer's input (OTTT), and the weight's gradient from them. */

import { fail } from '../errors.js'
import type { GraphNode } from '../graph/trace.js'
import { labelOf } from '../nn/kind.js'
import { inUnits } from './budgets.js'
import { pixelsOf } from './convolution/geometry.js'
import { emitWeightGradient } from './convolution/index.js'
import type { WeightGradient } from './convolution/strategy.js'
import { quoteMethodsWith } from './methods.js'
import type { Pass } from './pass.js'
import { trace, traceGradient } from './records/sums.js'
import { type Expression, rowsOf } from './tensors.js'
import type { Buffer } from './words.js'

export interface Trace {
  /** Leak of the neurons whose spikes are traced. */
  readonly lambda: number
  /**
   * What calls carry on, [P][inC]: the trace before this call; where a call is one step, at this
   * step. None where one call makes all steps.
   */
  readonly carried?: Buffer
  /** Channels of the input as stored. */
  readonly inC: number
}

/**
 * The trace of a layer's input; none for the first layer, which reads the raw frame. Where a call
 * is one step of several it is updated here.
 *
 * @param inC channels of the input as stored.
 */
export function traceOf(
  pass: Pass,
  node: GraphNode,
  input: Expression,
  inC: number,
): Trace | undefined {
  const { images, options, context, callSteps } = pass
  const without = (): string => quoteMethodsWith(({ presynaptic }) => presynaptic === 'steps')
  const where = `${node.name} (${labelOf(node)}): method '${options.method}'`
  const [, h, w] = input.shape
  const spikes = input.terms.flatMap(({ tensor }) => (tensor.kind === 'spikes' ? [tensor] : []))
  if (input.terms.every(({ tensor }) => tensor.kind === 'float' && tensor.input)) return undefined
  if (spikes.length !== input.terms.length)
    fail(
      `${where} traces the spikes that a layer reads, this one reads currents; put a neuron ` +
        `layer before it or use ${without()}`,
    )
  const [{ lambda }] = spikes
  for (const tensor of spikes)
    if (Number.isNaN(tensor.lambda))
      fail(
        `${where} needs one leak for all neurons whose spikes a layer reads, the same at every ` +
          `step, and those of ${tensor.name} have no such one; use ${without()}`,
      )
  if (!spikes.every((tensor) => tensor.lambda === lambda))
    fail(
      `${where} needs one tau for all neurons whose spikes a layer adds up; give them the same ` +
        `tau or use ${without()}`,
    )
  if (!context.outer) return { lambda, inC }
  const carried = pass.carried(`${node.name} trace`, images * h * w * inC * 4, 'kept')
  if (callSteps === 1) update(pass, node, input, { lambda, carried, inC })
  return { lambda, carried, inC }
}

/** Emits out = λ·out + input for each step of the call. */
function update(
  pass: Pass,
  node: GraphNode,
  input: Expression,
  { lambda, carried, inC }: Trace & { readonly carried: Buffer },
): void {
  const { b, images, callSteps: steps } = pass
  const [, h, w] = input.shape
  const pixels = images * h * w
  const now = b.buffer(`${node.name} presynaptic spikes`, pixels * steps * inC * 4)
  pass.write(input, steps, false, now, inC)
  const { units, pixelsPerUnit } = inUnits(pixels, inC * steps)
  const sizes = { pixels, channels: inC, pixelsPerUnit }
  b.emit(trace, units, { in: now, out: carried, ...sizes, lambda, steps })
}

/**
 * Σ_t δ_t ⊗ trace_t over the steps of a call: by the spikes of the call (assembly/pool/trace.ts
 * says how), and from the second call on by the trace from before it.
 *
 * @param byStep emits Σ_t δ_t ⊗ input_t for a δ
 */
export function emitTraceGradient(
  pass: Pass,
  node: GraphNode,
  input: Expression,
  job: Omit<WeightGradient, 'input'>,
  { lambda, carried, inC }: Trace,
  byStep: (delta: Buffer) => void,
): void {
  const { b } = pass
  const { name, g, steps } = job
  if (steps === 1) {
    if (carried) emitWeightGradient(b, { ...job, input: rowsOf(carried, inC) })
    else byStep(job.delta)
    return
  }
  const pixels = pixelsOf(g)
  const delta = b.buffer(`${name} gradient of spikes`, pixels * steps * g.outC * 4)
  const before = carried && b.buffer(`${name} gradient of the trace`, pixels * g.outC * 4)
  const { units, pixelsPerUnit } = inUnits(pixels, g.outC * steps)
  const sizes = { pixels, channels: g.outC, pixelsPerUnit, lambda, steps }
  b.emit(traceGradient, units, { delta: job.delta, out: delta, before, ...sizes })
  byStep(delta)
  if (!carried || !before) return
  const earlier = { ...job, name: `${name} trace`, steps: 1, delta: before, accumulate: true }
  b.when('later', () => emitWeightGradient(b, { ...earlier, input: rowsOf(carried, inC) }))
  update(pass, node, input, { lambda, carried, inC })
}
