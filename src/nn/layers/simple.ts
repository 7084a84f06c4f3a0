/** Layers without parameters that keep their input’s shape, and flatten. */

import { describe, expect } from '../../errors.js'
import { type LayerKind, sameShape } from './kind.js'

/** What `flatten` makes. */
export interface Flatten {
  readonly kind: 'flatten'
}

/** What `dropout` makes. */
export interface Dropout {
  readonly kind: 'dropout'
  /** Probability of a neuron to be silenced. */
  readonly p: number
}

/** What `scale` makes. */
export interface Scale {
  readonly kind: 'scale'
  readonly factor: number
}

/** What `identity` makes. */
export interface Identity {
  readonly kind: 'identity'
}

/** [C, H, W] → [C·H·W], in PyTorch's order. */
export function flatten(): Flatten {
  return { kind: 'flatten' }
}

/**
 * Silences each neuron with probability p in training, the same ones at every step, and scales the
 * others by 1/(1 − p). Only behind neurons.
 * @throws SpikewasmError when p is out of range.
 */
export function dropout(p = 0.5): Dropout {
  expect(
    Number.isFinite(p) && p >= 0 && p < 1,
    () => `dropout.p must lie in 0…1 (1 excluded), got ${describe(p)}`,
  )
  return { kind: 'dropout', p }
}

/**
 * Multiplies by a constant (OTTT's networks scale spikes by 2.74).
 * @throws SpikewasmError when it is 0 or not finite.
 */
export function scale(factor: number): Scale {
  expect(
    Number.isFinite(factor) && factor !== 0,
    () => `scale.factor must be a finite number other than 0, got ${describe(factor)}`,
  )
  return { kind: 'scale', factor }
}

/** Passes its input on. */
export function identity(): Identity {
  return { kind: 'identity' }
}

export const dropoutKind: LayerKind<Dropout> = { ...sameShape, random: true }

export const flattenKind: LayerKind<Flatten> = { output: (_layer, x) => [x.shape, true] }
