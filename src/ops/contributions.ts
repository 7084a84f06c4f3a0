/** Gradients that arrive from several readers. */

import { checkBoolean, checkOptions, expect } from '../errors.js'
import type { Contribution } from '../plan/tensors.js'
import type { OpBuilder } from './builder.js'
import { type Extent, showShape, still } from './shapes.js'
import { floatTensor } from './tensor.js'
import { type TermWindow, termWindow, windowOptions } from './windows.js'

/**
 * One gradient of those that are added up: what a reader of the tensor hands back. A `kernelSize`
 * means that the reader saw means over windows.
 */
export interface GradientTerm extends TermWindow {
  /** It is the same at every step and has no time axis. Default false. */
  readonly still?: boolean
  /** The factor that the reader saw the tensor times. Default 1. */
  readonly scale?: number
}

/** Arrays of such a list. */
export type GradientsOf<Terms> = Terms extends readonly unknown[]
  ? number extends Terms['length']
    ? Float32Array[]
    : { -readonly [P in keyof Terms]: Float32Array }
  : never

/** Their memory in a plan: delta0, delta1 … */
export type GradientMemory<Terms> = Terms extends readonly [unknown, ...unknown[]]
  ? { readonly [P in Extract<keyof Terms, `${number}`> as `delta${P}`]: Float32Array }
  : {
      /** The first gradient, and others by their numbers. */
      readonly [name: `delta${number}`]: Float32Array
    }

/** The argument of a term, and how the planner's emit functions take it. */
export function contribution(
  { b }: OpBuilder,
  where: string,
  name: string,
  input: Extent,
  given: GradientTerm,
) {
  checkOptions(where, given, ['still', 'scale', ...windowOptions])
  const isStill = checkBoolean(`${where}.still`, given.still, false)
  expect(
    !isStill || input.timed,
    () => `${where}.still is of inputs with T; leave it out for ${showShape(input.shape)}`,
  )
  const { scale, pool, output: from } = termWindow(where, given, isStill ? still(input) : input)
  const tensor = floatTensor(b, { name }, from)
  const gradient: Contribution = {
    buffer: tensor.buffer,
    steps: from.T,
    outH: from.H,
    outW: from.W,
    pool,
    scale,
  }
  return { tensor, gradient }
}
