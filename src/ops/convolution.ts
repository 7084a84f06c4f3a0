/** What the ops of convolutions and linear layers share: sizes, checks, and their tensors. */

import { checkInteger, describe, expect } from '../errors.js'
import type { Geometry } from '../plan/convolution/geometry.js'
import {
  blockWidth,
  type Grouping,
  groupedLayout,
  type ParameterLayout,
  storedChannels,
  weightLayout,
} from '../plan/layout.js'
import { checkShape, type Extent, extentOf, shapeLike, showShape } from './shapes.js'

/** A size for both axes, or [vertical, horizontal]. */
export type PairOption = number | readonly [number, number]

/** Shapes and windows of a convolution, as in PyTorch. */
export interface ConvShape {
  /** [B, C, H, W], or [T, B, C, H, W]. */
  readonly input: readonly number[]
  /** [N, C / groups, kernelH, kernelW]. */
  readonly weight: readonly number[]
  /** Default 1. */
  readonly stride?: PairOption
  /** Default 0. */
  readonly padding?: PairOption
  /** Default 1. */
  readonly groups?: number
}

export const convShapeOptions = ['input', 'weight', 'stride', 'padding', 'groups'] as const

/** A convolution as ops plan it. */
export interface ConvSizes {
  readonly g: Geometry
  readonly input: Extent
  readonly output: Extent
  readonly layout: ParameterLayout
  /** Output channels of the tensor. */
  readonly N: number
}

function pairOf(what: string, value: PairOption | undefined, fallback: number, min: number) {
  const given: unknown = value ?? fallback
  const pair = Array.isArray(given) ? given : [given, given]
  expect(
    pair.length === 2,
    () => `${what} must be an integer or [vertical, horizontal], got ${describe(given)}`,
  )
  for (const size of pair) checkInteger(what, size as number, min)
  return pair as [number, number]
}

/**
 * @param image the input is stored with its own channels, as a model's input is; else with padded
 *   ones, as what layers hand on
 */
export function convSizes(
  op: string,
  options: ConvShape,
  image: boolean,
  time: 'maybe' | 'never' | 'always' = 'maybe',
): ConvSizes {
  const input = extentOf(`${op}.input`, options.input, time, 'always')
  checkShape(`${op}.weight`, options.weight, 'N C kH kW')
  const [N, channels, kernelH, kernelW] = Array.from(options.weight)
  const { groups = 1 } = options
  checkInteger(`${op}.groups`, groups, 1)
  const [strideH, strideW] = pairOf(`${op}.stride`, options.stride, 1, 1)
  const [padH, padW] = pairOf(`${op}.padding`, options.padding, 0, 0)
  expect(
    input.C === channels * groups && N % groups === 0,
    () =>
      `${op}: weight ${showShape(options.weight)} with groups ${groups} takes ` +
      `${channels * groups} channels and makes a multiple of ${groups}, but input ` +
      `${showShape(input.shape)} has ${input.C} channels; change one of the shapes`,
  )
  const outH = Math.floor((input.H + 2 * padH - kernelH) / strideH) + 1
  const outW = Math.floor((input.W + 2 * padW - kernelW) / strideW) + 1
  expect(
    outH >= 1 && outW >= 1,
    () =>
      `${op}: a kernel of ${kernelH}×${kernelW} is larger than the padded input ` +
      `(${input.H}×${input.W}, padding ${padH}, ${padW}); make it smaller or pad more`,
  )
  expect(
    padH < kernelH && padW < kernelW,
    () =>
      `${op}.padding must be below the kernel's size (${kernelH}×${kernelW}), got ` +
      `${padH}, ${padW}`,
  )
  const inC = image ? input.C : storedChannels(input.C)
  const [groupIn, groupOut] = [channels, N / groups]
  const single = groupIn === 1 && groupOut === 1
  const grouping: Grouping | undefined =
    groups === 1
      ? undefined
      : { groups, groupIn, groupOut, depthwise: single && inC === storedChannels(N) }
  const taps = kernelH * kernelW
  const shape = [N, channels, kernelH, kernelW]
  const layout = grouping
    ? groupedLayout(shape, taps, grouping)
    : weightLayout(shape, N, input.C, taps, inC)
  const output = extentOf(`${op}: the output`, shapeLike(input, { C: N, H: outH, W: outW }))
  const g: Geometry = {
    images: input.B,
    inH: input.H,
    inW: input.W,
    inC,
    outH,
    outW,
    outC: storedChannels(N),
    blockWidth: blockWidth(N),
    kernelH,
    kernelW,
    strideH,
    strideW,
    padH,
    padW,
    ...(grouping && { grouping }),
  }
  return { g, input, output, layout, N }
}

/** The strategy of a name, or the choice of a network; else an error that says which fit. */
export function chosen<S extends { readonly name: string }>(
  op: string,
  name: string | undefined,
  strategies: readonly S[],
  fits: (strategy: S) => boolean,
  automatic: () => S,
  why: (name: string) => string = () => 'its sizes do not suit it',
): S {
  if (name === undefined || name === 'auto') return automatic()
  const names = ['auto', ...new Set(strategies.map((strategy) => strategy.name))]
  const named = strategies.filter((strategy) => strategy.name === name)
  expect(
    named.length > 0,
    () => `${op}.algorithm must be one of ${names.join(', ')}, got ${describe(name)}`,
  )
  const fitting = strategies.filter(fits)
  const found = named.find((strategy) => fitting.includes(strategy))
  expect(
    found !== undefined,
    () =>
      `${op}.algorithm '${name}' cannot compute this convolution (${why(name)}); those that can: ` +
      `${fitting.map((strategy) => strategy.name).join(', ')}`,
  )
  return found
}
