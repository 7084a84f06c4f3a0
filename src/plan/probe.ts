/** What `diagnostics` compares of a layer that spikes, through time. */

import type { GraphNode } from '../graph/trace.js'
import { gradientTimeSum, sumGradient } from './gradients.js'
import type { Pass } from './pass.js'
import type { SpikeTensor } from './tensors.js'
import type { Buffer } from './words.js'

/** Whether layers that spike keep their eligibility beside the gradient through time. */
export const isProbed = ({ training, context, options }: Pass): boolean =>
  training && context.method.neuron === 'time' && options.inspect

/** The gradient of a layer's spikes, before neurons write over it; undefined where not asked. */
export function probedSpikes(
  pass: Pass,
  { name }: GraphNode,
  output: SpikeTensor,
): Buffer | undefined {
  if (!isProbed(pass)) return undefined
  return sumGradient(pass, `${name} spike gradient`, output, pass.gradientSteps)
}

/** Emits the sums over time of the gradients of spikes and of currents. */
export function probe(
  pass: Pass,
  { name }: GraphNode,
  { shape, stored }: SpikeTensor,
  of: { readonly spikes: Buffer; readonly delta: Buffer; readonly eligibility: Buffer },
): void {
  const steps = pass.gradientSteps
  const overTime = (what: string, gradient: Buffer): Buffer =>
    gradientTimeSum(pass, `${name} ${what} over time`, gradient, shape, steps, stored, true)
  pass.probes.neurons.push({
    name,
    spikeGradient: overTime('spike gradient', of.spikes),
    currentGradient: overTime('current gradient', of.delta),
    eligibility: of.eligibility,
    shape,
    stored,
  })
}
