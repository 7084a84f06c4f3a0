/** Weights of whole numbers, with a scale for each output channel, where spikes meet them. */

import { fail } from '../../base/errors.js'
import { weightStandardise } from '../../kernels/records/norm.js'
import { dequantise, quantise } from '../../kernels/records/spikes.js'
import { type Buffer, type Reference, ref } from '../../kernels/records/words.js'
import { labelOf } from '../../network/kind.js'
import { type Graph, type GraphNode, ownerOf } from '../../network/trace.js'
import { largestOf, type WeightType } from '../../network/weights.js'
import type { Context, IntegerWeight, Parameter, PlanOptions } from '../context.js'
import { type Blocks, storedChannels } from '../layout.js'
import type { ProgramBuilder } from '../program.js'
import { EPSILON } from './norm.js'

/** What a layer says of its weight. */
type Said = { readonly weights?: WeightType; readonly standardise?: boolean }

/** The largest whole number of a layer's weight; undefined where it is of floats. */
export const mostOf = (
  { weights = 'f32' }: Pick<PlanOptions, 'weights'>,
  { layer }: Pick<GraphNode, 'layer'>,
): number | undefined => largestOf[(layer as Said | undefined)?.weights ?? weights]

/** Whether a layer standardises its weight. */
export const standardises = ({ layer }: Pick<GraphNode, 'layer'>): boolean =>
  (layer as Said | undefined)?.standardise === true

/** Whether any weight might be of whole numbers. */
export const asksIntegers = (options: PlanOptions): boolean =>
  options.graph.nodes.some((node) => node.layer && mostOf(options, node) !== undefined)

/**
 * Nodes whose weights programs can read as whole numbers, at all places of a layer. A layer is
 * known by its first node.
 *
 * @throws SpikewasmError for a layer that itself asks for whole numbers in vain
 */
export function integerNodes({ nodes }: Graph, contexts: readonly Context[]): ReadonlySet<number> {
  const others = new Set<number>()
  const found = new Set<number>()
  for (const { lowered, integerNodes } of contexts)
    for (const index of lowered)
      (integerNodes.has(index) ? found : others).add(ownerOf(nodes[index]))
  for (const index of others) {
    const { name, layer } = nodes[index]
    const { weights = 'f32' } = (layer ?? {}) as Said
    if (weights !== 'f32')
      fail(
        `${name} (${labelOf(nodes[index])}): weights '${weights}' is for a layer that reads ` +
          'spikes wherever it is called, without groups or dilation; leave weights out: it is ' +
          'float32',
      )
  }
  return new Set([...found].filter((index) => !others.has(index)))
}

/** Makes the buffers of the weights of some nodes. */
export function integerWeights(
  b: ProgramBuilder,
  options: PlanOptions,
  parameters: readonly Omit<Parameter, 'offset'>[],
  nodes: ReadonlySet<number>,
): IntegerWeight[] {
  const weights = parameters.filter(({ node, role }) => nodes.has(node) && role === 'weight')
  return weights.map(({ name, layout, node }) => ({
    name,
    layout,
    node,
    most: mostOf(options, options.graph.nodes[node]) as number,
    weight: b.buffer(`${name} bytes`, layout.stored, 'parameters'),
    scale: b.buffer(`${name} scale`, storedChannels(layout.shape[0]) * 4, 'parameters'),
  }))
}

/** Blocks of output channels, which are the units, and their sizes. */
function blocksOf({ layout }: IntegerWeight) {
  const { width: blockWidth, blockRows: kRows, taps, inC, inRows: realC } = layout.blocks as Blocks
  const units = layout.stored / (kRows * blockWidth)
  return { units, sizes: { blockWidth, kRows }, rows: { taps, inC, realC, epsilon: EPSILON } }
}

/**
 * Makes a weight's whole numbers.
 *
 * @param standard where it is the standardised weight's: its gain
 */
export function emitQuantise(
  b: ProgramBuilder,
  of: IntegerWeight,
  floats: Reference,
  standard?: { readonly gain: Reference | undefined },
): void {
  const { units, sizes, rows } = blocksOf(of)
  let weight = floats
  if (standard) {
    weight = ref(b.buffer(`${of.name} standardised`, of.layout.stored * 4))
    b.emit(weightStandardise, units, {
      ...sizes,
      ...rows,
      weight: floats,
      ...standard,
      out: weight,
    })
  }
  const to = { bytes: of.weight, weightScale: of.scale, most: of.most }
  b.emit(quantise, units, { ...sizes, weight, ...to })
}

/** Makes those of a plan, of its parameters. */
export function emitQuantiseAll(
  b: ProgramBuilder,
  { nodes }: Graph,
  integers: readonly IntegerWeight[],
  parameters: readonly Parameter[],
  floats: Buffer,
): void {
  for (const of of integers) {
    const own = (role: string): Reference | undefined => {
      const found = parameters.find((p) => p.node === of.node && p.role === role)
      return found && ref(floats, found.offset)
    }
    const standard = standardises(nodes[of.node]) ? { gain: own('gain') } : undefined
    b.inLayer(of.node, () => emitQuantise(b, of, own('weight') as Reference, standard))
  }
}

/** Writes the floats that the whole numbers stand for, for kernels that read floats. */
export function dequantised(
  b: ProgramBuilder,
  of: IntegerWeight,
  out = ref(b.buffer(`${of.name} as floats`, of.layout.stored * 4)),
): Reference {
  const { units, sizes } = blocksOf(of)
  const { most, weight: bytes, scale: weightScale } = of
  b.emit(dequantise, units, { ...sizes, most, bytes, weightScale, out })
  return out
}
