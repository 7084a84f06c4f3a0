/** Scaled weight standardisation: the weight as a convolution's kernels read it. */

import { fail } from '../errors.js'
import type { GraphNode } from '../graph/trace.js'
import { type Geometry, kRowsOf, tapsOf, type WeightedLayer } from './convolution/geometry.js'
import { type Grouping, groupColumns, storedChannels } from './layout.js'
import type { Pass } from './pass.js'
import { weightStandardise, weightStandardiseBackward } from './records/standardise.js'
import { type Reference, ref } from './words.js'

/** Added to the variance. */
export const EPSILON = 1e-4

/** How the records go through a weight: the units, and the sizes of a block. */
export function standardiseBlocks(
  where: string,
  g: Geometry,
  /** Input channels that hold numbers. */
  realC: number,
) {
  const taps = tapsOf(g)
  const { inC, outC, blockWidth } = g
  const { units, ...sizes } = g.grouping
    ? groupBlocks(where, taps, g.grouping)
    : { units: outC / blockWidth, inC, realC, blockWidth, kRows: kRowsOf(g) }
  return { units, sizes: { taps, ...sizes, epsilon: EPSILON } }
}

/**
 * The standardised copy of the weight. `backward`: turns the copy's gradient into the parameter's,
 * once it is complete.
 */
export function standardisedWeight(
  pass: Pass,
  node: GraphNode,
  layer: WeightedLayer,
  g: Geometry,
): { weight: Reference; backward: () => void } {
  const { b, context } = pass
  const { index, name } = node
  const realC = layer.kind === 'conv2d' ? layer.inChannels : layer.inFeatures / tapsOf(g)
  const { units, sizes } = standardiseBlocks(`${name} (${node.kind})`, g, realC)
  const shared = {
    weight: context.parameter(index, 'weight') as Reference,
    gain: context.parameter(index, 'gain'),
    ...sizes,
  }
  const bytes = units * sizes.blockWidth * sizes.kRows * 4
  const out = pass.forParameters(`${name} standardised weight`, bytes, 'parameters')
  pass.fromParameters(() => b.emit(weightStandardise, units, { ...shared, out }))
  const backward = (): void =>
    pass.whenComplete(node, () => {
      const gradient = context.gradient(index, 'weight') as Reference
      const gainGradient = context.gradient(index, 'gain')
      b.emit(weightStandardiseBackward, units, { ...shared, gradient, gainGradient })
    })
  return { weight: ref(out), backward }
}

/** A group's weights as a block of output channels; depthwise all channels are one. */
function groupBlocks(where: string, taps: number, grouping: Grouping) {
  const { groups, groupIn, groupOut, depthwise } = grouping
  const shared = { inC: groupIn, realC: groupIn, kRows: taps * groupIn }
  if (depthwise) return { units: 1, blockWidth: storedChannels(groups), ...shared }
  if (groupOut !== groupColumns(groupOut))
    fail(
      `${where}: standardise with groups needs a multiple of 4 output channels ` +
        `in each group, got ${groupOut} (${groups} groups); change outChannels or groups, or ` +
        `leave standardise out`,
    )
  return { units: groups, blockWidth: groupOut, ...shared }
}
