/** Layers without parameters that keep their input’s shape, and flatten. */

import { describe, expect } from '../../errors.js'
import { type LayerKind, sameShape } from './kind.js'

/** What `flatten` makes. */
export interface Flatten {
  /** Tells this layer from others. */
  readonly kind: 'flatten'
}

/** What `dropout` makes. */
export interface Dropout {
  /** Tells this layer from others. */
  readonly kind: 'dropout'
  /** Probability that a neuron is silenced, 0…1, 1 excluded. */
  readonly p: number
}

/** What `scale` makes. */
export interface Scale {
  /** Tells this layer from others. */
  readonly kind: 'scale'
  /** What each number is multiplied by. */
  readonly factor: number
}

/** What `identity` makes. */
export interface Identity {
  /** Tells this layer from others. */
  readonly kind: 'identity'
}

/** Turns an image into features: [C, H, W] → [C·H·W], in PyTorch's order. */
export function flatten(): Flatten {
  return { kind: 'flatten' }
}

/**
 * Dropout, any shape. In training each neuron is silenced with probability p, the same ones at all
 * time steps of a sample, and the others are multiplied by 1/(1 − p). Evaluation passes its input
 * on. It takes spikes or currents, so it may stand anywhere. Only method 'ottt', whose weights read
 * spikes, needs it directly behind neurons when a weight follows.
 * @param p probability, 0…1, 1 excluded; default 0.5
 * @throws SpikewasmError when p is out of range
 */
export function dropout(p = 0.5): Dropout {
  expect(
    Number.isFinite(p) && p >= 0 && p < 1,
    () => `dropout.p must lie in 0…1 (1 excluded), got ${describe(p)}`,
  )
  return { kind: 'dropout', p }
}

/**
 * Multiplies by a constant, any shape. The networks of OTTT (Xiao et al., NeurIPS 2022) scale their
 * spikes by 2.74.
 * @throws SpikewasmError when the factor is 0 or not finite
 */
export function scale(factor: number): Scale {
  expect(
    Number.isFinite(factor) && factor !== 0,
    () => `scale.factor must be a finite number other than 0, got ${describe(factor)}`,
  )
  return { kind: 'scale', factor }
}

/** Passes its input on, any shape: a shortcut, or a place kept free. */
export function identity(): Identity {
  return { kind: 'identity' }
}

export const dropoutKind: LayerKind<Dropout> = { ...sameShape, random: true }

export const flattenKind: LayerKind<Flatten> = { output: (_layer, x) => [x.shape, true] }
