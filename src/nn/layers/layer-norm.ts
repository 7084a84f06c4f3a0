/** Layer normalisation. */

import { checkBoolean, checkOptions, describe, expect } from '../../errors.js'
import { type Shape, show, sizeOf, type Value } from '../value.js'
import type { LayerKind } from './kind.js'
import { affineParameters, epsilon, type SampleNormOptions } from './normalise.js'

/** What `layerNorm` makes. */
export interface LayerNorm {
  /** Tells this layer from others. */
  readonly kind: 'layerNorm'
  /** Shape of the input, all of which is normalised together. */
  readonly shape: readonly number[]
  /** Added to the variance. */
  readonly eps: number
  /** Whether there is a weight and a bias for each neuron. */
  readonly affine: boolean
}

/**
 * Layer normalisation (Ba et al., 2016; PyTorch's LayerNorm), [C, H, W], [C, L] or [F]: y =
 * weight · (x − mean) / √(variance + eps) + bias. Mean and (biased) variance are those of one
 * sample at one time step, over all of it; in training and evaluation alike.
 *
 * Parameters, unless `affine` is false (PyTorch's elementwise_affine): `weight` (starts at 1) and
 * `bias` (0), each of the shape. How gradients pass it is said at `groupNorm`.
 * @param shape of the input: all of it. PyTorch's layers of the last sizes alone are not there
 * @throws SpikewasmError when an option is unknown or out of range
 */
export function layerNorm(
  shape: number | readonly number[],
  options: SampleNormOptions = {},
): LayerNorm {
  checkOptions('layerNorm', options, ['eps', 'affine'])
  const { eps = 1e-5 } = options
  const sizes: readonly unknown[] = Array.isArray(shape) ? [...shape] : [shape]
  expect(
    sizes.length >= 1 &&
      sizes.length <= 3 &&
      sizes.every((n) => Number.isSafeInteger(n) && (n as number) >= 1),
    () => `layerNorm.shape must be one to three integers ≥ 1, got ${describe(shape)}`,
  )
  return {
    kind: 'layerNorm',
    shape: [...(sizes as readonly number[])],
    eps: epsilon('layerNorm', eps),
    affine: checkBoolean('layerNorm.affine', options.affine, true),
  }
}

/** The input's shape as PyTorch would give it. */
function fits(shape: readonly number[], { shape: [c, h, w], flat }: Value): boolean {
  if (shape.length === 1) return (flat || h * w === 1) && shape[0] === c * h * w
  if (flat) return false
  const same = (of: readonly number[]): boolean => of.every((n, i) => n === shape[i])
  return shape.length === 2 ? h === 1 && same([c, w]) : same([c, h, w])
}

export const layerNormKind: LayerKind<LayerNorm> = {
  again: ({ shape, ...options }) => layerNorm(shape, options),
  output({ shape }, x, where): readonly [Shape, boolean] {
    expect(
      fits(shape, x),
      () =>
        `${where}: normalises a whole sample of shape [${shape.join(', ')}], got ${show(x)}` +
        (sizeOf(shape) < sizeOf(x.shape) ? '; give it all sizes of its input' : ''),
    )
    return [x.shape, x.flat]
  },
  parameters: ({ shape, affine }) => (affine ? affineParameters(shape) : []),
}
