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

/** What messages call a node. */
export const whoOf = (node: GraphNode): string =>
  node.kind === 'input' ? 'the input' : `${node.name} (${labelOf(node)})`.trim()

/** Layers that are to have weights of whole numbers, each by its first node. */
export interface FoundIntegers {
  /** Programs can read them at all places of these. */
  readonly nodes: ReadonlySet<number>
  /** Why those of others stay floats, for messages. */
  readonly floats: ReadonlyMap<number, string>
}

/** @throws SpikewasmError for a layer that itself asks for whole numbers in vain */
export function foundIntegers({ nodes }: Graph, contexts: readonly Context[]): FoundIntegers {
  const floats = new Map<number, string>()
  const found = new Set<number>()
  for (const [index, why] of contexts.flatMap(({ asked }) => [...asked])) {
    const owner = ownerOf(nodes[index])
    if (why === undefined) found.add(owner)
    else floats.set(owner, why)
  }
  for (const [index, why] of floats) {
    const { weights = 'f32' } = (nodes[index].layer ?? {}) as Said
    if (weights !== 'f32')
      fail(
        `${whoOf(nodes[index])}: weights must be left out here, got '${weights}': ${why}; ` +
          'they are float32',
      )
  }
  return { nodes: new Set([...found].filter((index) => !floats.has(index))), floats }
}

/** The first layers that stay floats, and why, for a message. */
export function whyFloats({ nodes }: Graph, floats: FoundIntegers['floats']): string {
  const all = [...floats].map(([index, why]) => `${whoOf(nodes[index])}: ${why}`)
  return all.slice(0, 4).join('; ') + (all.length > 4 ? '; …' : '')
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
