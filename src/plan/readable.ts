/** What neurons read, out of a sum of any terms. */

import type { GraphNode } from '../graph/trace.js'
import type { NeuronInput } from './neuron-record.js'
import { type Pass, term } from './pass.js'
import { type Expression, type FloatTensor, isIdentity, type Term } from './tensors.js'
import { materialise } from './write-out.js'

/** A sum as neurons read it. */
export interface Readable {
  readonly read: Expression
  readonly floats: readonly Term[]
  readonly spikes: readonly Term[]
}

/**
 * At most two float tensors and one spike tensor are read as they are; anything else is written out
 * first.
 */
export function readable(pass: Pass, node: GraphNode, x: Expression, stored: number): Readable {
  const split = (read: Expression): Readable => ({
    read,
    floats: read.terms.filter((t) => t.tensor.kind === 'float'),
    spikes: read.terms.filter((t) => t.tensor.kind === 'spikes'),
  })
  const plain = (t: Term): boolean =>
    isIdentity(t.pool) &&
    (t.tensor.kind === 'spikes' || (t.scale === 1 && !t.tensor.input && t.tensor.stored === stored))
  const { floats, spikes } = split(x)
  if (x.terms.every(plain) && floats.length >= 1 && floats.length <= 2 && spikes.length <= 1)
    return split(x)
  return split({ shape: x.shape, terms: [term(materialise(pass, node, x))] })
}

/** A float term as neurons read it; they average what a normalisation has normalised. */
export const inputOf = ({ tensor, norm }: Term): NeuronInput => ({
  tensor: tensor as FloatTensor,
  norm,
  xhat: norm?.claimMean(),
})
