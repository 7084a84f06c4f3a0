/** What layers of normalisation share. */

import { checkOptions, describe, expect } from '../../errors.js'
import { count, type LayerKind, type ParameterSpec } from './kind.js'
import { finite } from './numbers.js'

/** Options of `batchNorm2d` and `batchNorm1d`; each has a default. */
export interface BatchNormOptions {
  /** Added to the variance, > 0; default 1e-5. */
  eps?: number
  /** Share of a batch in the running statistics, 0…1; default 0.1. */
  momentum?: number
}

/** @throws SpikewasmError unless `eps` is a finite number > 0 */
export function epsilon(name: string, eps: number): number {
  expect(
    finite(eps) && Math.fround(eps) > 0,
    () => `${name}.eps must be > 0 and finite as a float32, got ${describe(eps)}`,
  )
  return eps
}

/** Checks and completes a layer of batch normalisation. */
export function batchNormalising(name: string, channels: number, options: BatchNormOptions) {
  checkOptions(name, options, ['eps', 'momentum'])
  const { eps = 1e-5, momentum = 0.1 } = options
  epsilon(name, eps)
  expect(
    Number.isFinite(momentum) && momentum >= 0 && momentum <= 1,
    () => `${name}.momentum must lie in 0…1, got ${describe(momentum)}`,
  )
  return { channels: count(`${name}.channels`, channels), eps, momentum }
}

/** Parameters and running statistics. */
export const batchNormState: Pick<
  LayerKind<{ readonly channels: number }>,
  'parameters' | 'statistics'
> = {
  parameters: ({ channels }) => affineParameters([channels]),
  statistics: ({ channels }) => [
    { name: 'running_mean', shape: [channels], initial: 0 },
    { name: 'running_var', shape: [channels], initial: 1 },
  ],
}

/** Options of `groupNorm` and `layerNorm`; each has a default. */
export interface SampleNormOptions {
  /** Added to the variance, > 0; default 1e-5. */
  eps?: number
  /** Whether there are parameters `weight` and `bias`; default true. */
  affine?: boolean
}

/** A weight and a bias of a shape. */
export const affineParameters = (shape: readonly number[]): ParameterSpec[] => [
  { name: 'weight', shape, decays: false, initial: 1 },
  { name: 'bias', shape, decays: false, initial: 0 },
]
