/** Gradients that arrive from several readers. */

import { checkBoolean, checkOptions, expect } from '../errors.js'
import type { Contribution } from '../plan/tensors.js'
import { type Planning, takes } from './op.js'
import { type Extent, showShape, still } from './shapes.js'
import { floats, type OpTensor } from './tensor.js'
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

/** A gradient of so many pixels, as the planner's emit functions take it but for its place. */
export interface Arrival extends Omit<Contribution, 'buffer'> {
  readonly from: Extent
}

/** Checks what a reader hands back; `where` begins messages. */
export function arrival(where: string, input: Extent, given: GradientTerm): Arrival {
  checkOptions(where, given, ['still', 'scale', ...windowOptions])
  const isStill = checkBoolean(`${where}.still`, given.still, false)
  expect(
    !isStill || input.timed,
    () => `${where}.still is of inputs with T; leave it out for ${showShape(input.shape)}`,
  )
  const { scale, pool, output: from } = termWindow(where, given, isStill ? still(input) : input)
  return { from, steps: from.T, outH: from.H, outW: from.W, pool, scale }
}

/** Their names: delta, or delta0, delta1 … */
const nameOf = (i: number, numbered: boolean): string => (numbered ? `delta${i}` : 'delta')

/** The arguments. */
export const arriving = (
  all: readonly Arrival[],
  numbered: boolean,
): Record<'delta' | `delta${number}`, Planning<Float32Array>> =>
  Object.fromEntries(
    all.map(({ from }, i) => [nameOf(i, numbered), takes(floats(from))]),
  ) as Record<string, Planning<Float32Array>>

/** The same, once they are made. */
export const contributions = (
  all: readonly Arrival[],
  numbered: boolean,
  made: Readonly<Record<string, OpTensor>>,
): Contribution[] =>
  all.map(({ from: _, ...of }, i) => ({ ...of, buffer: made[nameOf(i, numbered)].buffer }))
