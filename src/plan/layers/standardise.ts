/** Scaled weight standardisation: the weight as a convolution's kernels read it. */

import type { GraphNode } from '../../graph/trace.js'
import type { Conv2d, Linear } from '../../nn/layers/index.js'
import { type Geometry, kRowsOf, tapsOf } from '../convolution/geometry.js'
import type { Pass } from '../pass.js'
import { weightStandardise, weightStandardiseBackward } from '../records/standardise.js'
import { type Reference, ref } from '../words.js'

/** Added to the variance. */
const EPSILON = 1e-4

/**
 * The standardised copy of the weight. `backward`: turns the copy's gradient into the parameter's,
 * once it is complete.
 */
export function standardisedWeight(
  pass: Pass,
  node: GraphNode,
  layer: Conv2d | Linear,
  g: Geometry,
): { weight: Reference; backward: () => void } {
  const { b, context } = pass
  const { index, name } = node
  const taps = tapsOf(g)
  const units = g.outC / g.blockWidth
  const shared = {
    weight: context.parameter(index, 'weight') as Reference,
    gain: context.parameter(index, 'gain') || undefined,
    taps,
    inC: g.inC,
    realC: layer.kind === 'conv2d' ? layer.inChannels : layer.inFeatures / taps,
    blockWidth: g.blockWidth,
    kRows: kRowsOf(g),
    epsilon: EPSILON,
  }
  const out = b.buffer(`${name} standardised weight`, g.outC * kRowsOf(g) * 4)
  b.emit(weightStandardise, units, { ...shared, out })
  const backward = (): void =>
    pass.whenComplete(node, () =>
      b.emit(weightStandardiseBackward, units, {
        ...shared,
        gradient: context.gradient(index, 'weight') as Reference,
        gainGradient: context.gradient(index, 'gain') || undefined,
      }),
    )
  return { weight: ref(out), backward }
}
