/** What layers of neurons share, whatever decides when they fire. */

import type { GraphNode } from '../graph/trace.js'
import { recordMasks } from './activity.js'
import { inUnits } from './budgets.js'
import { storedChannels } from './layout.js'
import type { NeuronDynamics, NeuronRecord } from './neuron-record.js'
import type { Pass } from './pass.js'
import { inputOf, readable } from './readable.js'
import type { Expression, SpikeTensor } from './tensors.js'
import type { Buffer } from './words.js'

/** A layer of neurons before it says what it keeps. */
export interface Spiking {
  /** What they read. */
  readonly read: Expression
  readonly output: SpikeTensor
  readonly units: number
  /** Bytes of a number for each neuron. */
  readonly values: number
  /** Makes the record of its kernel, with what all neurons have: it claims what they read. */
  record(): NeuronRecord
  /** Tells the pass where the record leaves spikes and their sums. */
  tellRates(eligibility?: Buffer): void
}

/** Makes the tensors of a layer of neurons. */
export function spikingLayer(
  pass: Pass,
  node: GraphNode,
  dynamics: NeuronDynamics,
  x: Expression,
): Spiking {
  const stored = storedChannels(node.shape[0])
  const { read, floats, spikes } = readable(pass, node, x, stored)
  const pixels = pass.images * node.shape[1] * node.shape[2]
  const { name, shape } = node
  const { units } = inUnits(pixels, stored)
  const countPartials = pass.carried(`${name} spike counts`, units * 4, 'statistics')
  const sums = { buffer: countPartials, units }
  const output = pass.spikeTensor(name, shape, dynamics.lambda, sums)
  const record = (): NeuronRecord => ({
    ...dynamics,
    shape,
    stored,
    a: inputOf(floats[0]),
    b: floats[1] && inputOf(floats[1]),
    spikes: spikes[0] && {
      masks: (spikes[0].tensor as SpikeTensor).masks,
      scale: spikes[0].scale,
    },
    masks: output.masks,
    // A file that was exported tells no rates.
    counts: pass.countsSpikes ? output.counts : undefined,
    countPartials: pass.options.fixed ? undefined : countPartials,
  })
  const tellRates = (eligibility?: Buffer): void => tellRatesOf(pass, output, sums, eligibility)
  return { read, output, units, values: pixels * stored * 4, record, tellRates }
}

/** Tells the pass where a layer's record leaves spikes and their sums by unit. */
export function tellRatesOf(
  pass: Pass,
  output: SpikeTensor,
  { buffer: partials, units }: { readonly buffer: Buffer; readonly units: number },
  eligibility?: Buffer,
): void {
  const { name, shape, stored, masks, counts } = output
  const neurons = shape[0] * shape[1] * shape[2]
  const recorded = recordMasks(pass, output)
  const probe = { name, partials, units, neurons, counts, masks, shape, stored, recorded }
  pass.rates.push({ ...probe, eligibility })
}
