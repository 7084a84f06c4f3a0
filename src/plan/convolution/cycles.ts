/**
 * What forward convolutions cost, in cycles for one output pixel: measured on x86-64 with 128-bit
 * vectors.
 */

import { Spike } from '../../../assembly/opcodes.js'
import { type Geometry, inputsOf } from './geometry.js'
import { countsFitFactors, pairListsPay } from './spike-geometry.js'
import type { SpikeTask } from './strategy.js'

/**
 * Cycles for one active input and 32 output channels: 8 loads and additions, two a cycle, and the
 * list entry.
 */
const EVENT_CYCLES = 4.5
/** The same for an entry with a factor. */
const WEIGHTED_CYCLES = 5.5
/** Cycles for starting and ending one list. */
const LIST_CYCLES = 30
/**
 * Cycles for one input at one step and 32 output channels of the dense kernel, gathering included.
 */
const DENSE_CYCLES = 4.8
/**
 * Cycles for one neuron of a sum: listing it in a group of so many steps, and adding it to the
 * written-out input of the dense kernel at one step.
 */
const listedCycles = (steps: number): number => 0.5 + 0.6 * steps
const WRITTEN_CYCLES = 1.2
/**
 * Neurons that fire at least once in 4 steps, for each unit of firing rate, up to all of them.
 * Trained networks have 1.3 to 1.9.
 */
export const ACTIVE_PER_RATE = 1.7

/** Fraction of the neurons that fire in a group of so many steps at a firing rate; up to 4. */
export const activeAt = (rate: number, steps: number): number =>
  Math.min(1, rate * (1 + ((ACTIVE_PER_RATE - 1) * (steps - 1)) / 3))

/** The firing rate at which a fraction of the neurons fires in a group. */
export const rateAt = (active: number, steps: number): number =>
  active / (1 + ((ACTIVE_PER_RATE - 1) * (Math.min(Spike.GroupSteps, steps) - 1)) / 3)

/**
 * Entries that one input has in the weighted lists of a group: how many different numbers above 0
 * the steps have, where each is a sum of `neurons` that fire independently at a rate. Real neurons
 * fire alike, and have fewer.
 */
function weightedEntries(neurons: number, steps: number, rate: number): number {
  let entries = 0
  // Probability of a sum, from one to the next: binomial.
  let probability = (1 - rate) ** neurons
  for (let sum = 1; sum <= neurons && rate < 1; sum++) {
    probability *= ((neurons - sum + 1) / sum) * (rate / (1 - rate))
    entries += 1 - (1 - probability) ** steps
  }
  return rate < 1 ? entries : 1
}

/** Groups of 32 output channels. */
const blocksOf = (g: Geometry): number => Math.max(1, g.outC / 32)

/** Neurons that one input sums. */
export const neuronsPerInput = ({ spikes: { sources, pool } }: SpikeTask): number =>
  sources.length * pool.kernelSize[0] * pool.kernelSize[1]

/** Neurons that are summed for one output pixel; 0 where each input is one neuron. */
function summedNeurons(task: SpikeTask): number {
  const { g } = task
  const seen = neuronsPerInput(task)
  return seen > 1 ? (seen * g.inC * g.inH * g.inW) / (g.outH * g.outW) : 0
}

/** By dense products. */
export const denseCycles = (g: Geometry, steps: number): number =>
  blocksOf(g) * DENSE_CYCLES * inputsOf(g) * steps

/** By dense products on spikes that are written out as floats first. */
export const writtenCycles = (task: SpikeTask): number =>
  denseCycles(task.g, task.steps) + WRITTEN_CYCLES * summedNeurons(task) * task.steps

/** By additions for the neurons that fire, at a firing rate. */
export function eventCycles(task: SpikeTask, rate: number): number {
  const { g, steps } = task
  const inputs = inputsOf(g)
  const seen = neuronsPerInput(task)
  const summed = summedNeurons(task)
  const weighted = countsFitFactors(seen)
  const mostLists = pairListsPay(inputs * (weighted ? 1 : seen), g.blockWidth) ? 7 : 15
  let cycles = 0
  for (let left = steps; left > 0; left -= Spike.GroupSteps) {
    const size = Math.min(Spike.GroupSteps, left)
    const entries = weighted
      ? WEIGHTED_CYCLES * weightedEntries(seen, size, rate)
      : EVENT_CYCLES * seen * activeAt(rate, size)
    cycles +=
      blocksOf(g) * (inputs * entries + LIST_CYCLES * Math.min(2 ** size - 1, mostLists)) +
      listedCycles(size) * summed
  }
  return cycles
}
