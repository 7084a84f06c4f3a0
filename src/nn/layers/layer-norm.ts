/** Layer normalisation. */

import { checkArguments, checkBoolean, checkOptions, describe, expect } from '../../errors.js'
import { type Shape, show, sizeOf, type Value } from '../value.js'
import type { LayerKind } from './kind.js'
import { affineParameters, epsilon, type SampleNormOptions } from './normalise.js'

/** What `layerNorm` makes. */
export interface LayerNorm {
  /** Tells this layer from others. */
  readonly kind: 'layerNorm'
  /** The last sizes of the input, over which it is normalised. */
  readonly shape: readonly number[]
  /** Added to the variance. */
  readonly eps: number
  /** Whether there is a weight and a bias for each neuron. */
  readonly affine: boolean
}

/**
 * Layer normalisation (Ba et al., 2016; PyTorch's LayerNorm): y = weight · (x − mean) /
 * √(variance + eps) + bias. Mean and (biased) variance are those of one sample at one time step,
 * over its last sizes: of an image [C, H, W] all of it, each channel [H, W] or each row [W]; of a
 * series [C, L] all of it or each channel [L]; of features [F] all. In training and evaluation
 * alike.
 *
 * Parameters, unless `affine` is false (PyTorch's elementwise_affine): `weight` (starts at 1) and
 * `bias` (0), each of the shape. How gradients pass it is said at `groupNorm`.
 * @param shape the last sizes of the input, PyTorch's normalized_shape; a number stands for [W],
 *   [L] or [F]
 * @throws SpikewasmError when an option is unknown or out of range
 */
export function layerNorm(
  shape: number | readonly number[],
  options: SampleNormOptions = {},
  ...more: []
): LayerNorm {
  checkArguments('layerNorm', more)
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

/**
 * What has statistics of its own in an input (or output, which has its shape); undefined where the
 * shape is not that of its last sizes as PyTorch would have them.
 */
export function normalisedTogether(
  shape: readonly number[],
  { shape: [c, h, w], flat }: Pick<Value, 'shape' | 'flat'>,
): 'sample' | 'channel' | 'row' | undefined {
  const is = (...sizes: number[]): boolean =>
    sizes.length === shape.length && sizes.every((n, i) => n === shape[i])
  if ((flat || h * w === 1) && is(c * h * w)) return 'sample'
  if (flat) return undefined
  if (is(c, h, w) || (h === 1 && is(c, w))) return 'sample'
  if (is(h, w)) return 'channel'
  return is(w) ? 'row' : undefined
}

export const layerNormKind: LayerKind<LayerNorm> = {
  again: ({ shape, ...options }) => layerNorm(shape, options),
  output({ shape }, x, where): readonly [Shape, boolean] {
    const [c, h, w] = x.shape
    expect(
      normalisedTogether(shape, x) !== undefined,
      () =>
        `${where}: normalises the last sizes [${shape.join(', ')}] of its input, got ${show(x)}; ` +
        (x.flat
          ? `give it [${sizeOf(x.shape)}]`
          : `give it [${c}, ${h}, ${w}], [${h}, ${w}] or [${w}]`),
    )
    return [x.shape, x.flat]
  },
  parameters: ({ shape, affine }) => (affine ? affineParameters(shape) : []),
}
