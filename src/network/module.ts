/** What a network is made of: layers, and blocks of them. */

import { describe, fail, isOptions } from '../base/errors.js'
import { howElse, type Layer, layerKinds } from './kind.js'
import type { PerNeuron, Value } from './value.js'

/** A child of a block, as the block's forward function calls it. */
export type Apply = (x: Value) => Value

/** What a block's forward function can do besides calling its children. */
export interface Ops {
  /**
   * Sum of two or more values of one shape: of currents, as in ResNet, or of spikes, as in
   * SEW-ResNet (Fang et al., NeurIPS 2021). A size of 1 stands for as many as others have.
   */
  add(...values: Value[]): Value
  /**
   * Joins two or more values along their channels, as PyTorch's `torch.cat(values, 1)`: spikes,
   * currents or both, of one height and width; or flat values of any origin, in a row. Values one
   * by one, or in one list.
   */
  concat(...values: Value[] | [readonly Value[]]): Value
  /**
   * Product of two values, number by number, at each time step. A size of 1 stands for as many as
   * the other has, as in PyTorch: gates [C, 1, 1] or [1, H, W] of an image [C, H, W]; and so does a
   * single number [1] for all of any value.
   *
   * Methods with one gradient for all steps ('rate') train it where one factor at most changes from
   * step to step.
   */
  mul(a: Value, b: Value): Value
  /**
   * Matrix product of two values at each time step. A series [C, N] is a matrix of C rows, its
   * channels, and N columns; features [C] are one column, and a matrix times features gives
   * features. With `heads` the rows of each are so many matrices one below the other, and so are
   * those of the result: [heads · m, n].
   *
   * Attention of tokens [C, N]: `matmul(q, k, { transposeA: true, heads })` is [heads · N, N], and
   * `matmul(v, attention, { transposeB: true, heads })` is [C, N] again. How methods train it is
   * said at `mul`.
   */
  matmul(a: Value, b: Value, options?: MatmulOptions): Value
  /** e^x / Σ e^x along `dim`, PyTorch's: 1 the channels, −1 (default) the last size. */
  softmax(x: Value, dim?: number): Value
  /**
   * Numbers `from` … `to` − 1 along `dim`, PyTorch's: 1 (default) the channels. Negative numbers
   * count from the end, as in JavaScript.
   */
  slice(x: Value, from: number, to?: number, dim?: number): Value
  /** Repeats numbers along sizes of 1, as PyTorch's `expand`; −1 leaves a size as it is. */
  expand(x: Value, shape: readonly number[]): Value
  /**
   * What a text says of each number, as the layer `elementwise` does.
   * @param parameters numbers by the names that the text has for them
   */
  elementwise(text: string, x: Value, parameters?: Readonly<Record<string, PerNeuron>>): Value
  /** The sizes in another order: PyTorch's numbers of the dims, the batch's 0 left out. */
  permute(x: Value, dims: readonly number[]): Value
  /** Two sizes change places, by default the last two: [C, L] → [L, C]. */
  transpose(x: Value, dim0?: number, dim1?: number): Value
  /**
   * The same numbers in PyTorch's order as features [F], a series [C, L] or an image [C, H, W]; one
   * size may be −1.
   */
  reshape(x: Value, shape: readonly number[]): Value
}

/** Options of `matmul` in a forward function. */
export interface MatmulOptions {
  /** The first matrix is transposed before it is multiplied; default false. */
  readonly transposeA?: boolean
  /** The second is; default false. */
  readonly transposeB?: boolean
  /** Into how many matrices the rows of each fall, which are multiplied apart; default 1. */
  readonly heads?: number
}

/**
 * Several outputs of a network by name, as its forward function may return them; the last one is
 * what the network predicts by.
 */
export type Exits = Readonly<Record<string, Value>>

/**
 * What the block that is the whole network gets of a network with named inputs:
 * `(m, { image, state }) => …`.
 */
export type NamedValues = Readonly<Record<string, Value>>

/** Children and how they are wired: plain data. */
export interface Composite {
  /** Tells a block from a layer. */
  readonly kind: 'block'
  /** Layers and blocks by name. The names become part of the parameters' names. */
  readonly children: Readonly<Record<string, Module>>
  /** What messages say behind its name. */
  readonly label?: string
  /** How the children are wired: called once, when the network is traced. */
  readonly forward: (children: Record<string, Apply>, x: Value, ops: Ops) => Value | Exits
}

/** A part of a network: a layer, or a block of parts. */
export type Module = Layer | Composite

/** Whether a value is a layer or a block. */
export const isModule = (value: unknown): boolean =>
  isOptions(value) && Object.hasOwn(value, 'kind') && typeof (value as Module).kind === 'string'

/** @throws SpikewasmError unless `value` is a layer or a block */
export function checkModule(name: string, value: Module): void {
  if (!isModule(value))
    fail(
      `${name} must be a layer or a block, got ${describe(value)}` +
        (typeof value === 'function' ? '; call it, as in lif() instead of lif' : '') +
        (Array.isArray(value)
          ? '; make a block of a list: sequential(a, b) instead of [a, b]'
          : ''),
    )
  if (value.kind !== 'block' && !layerKinds.includes(value.kind))
    fail(
      `${name} must be a layer or a block, got one of kind ${describe(value.kind)}, which is ` +
        `none; make layers by their functions, as in lif()${howElse()}`,
    )
  const { forward, children } = value as Composite
  if (value.kind === 'block' && !(typeof forward === 'function' && typeof children === 'object'))
    fail(`${name} must be a block with children and a forward function; make it by block()`)
}

// How large graphs may be: more than any network is; each costs time and memory before anything
// else is known. What can be compiled can be saved and read again.

/** Layers, sums and joins. */
export const MOST_NODES = 2500
/** Values of one sum or join. */
export const MOST_INPUTS = 1000
/** Characters of a layer's path, which bound how deep blocks lie in blocks. */
export const LONGEST_NAME = 1000
/** Layers and blocks that are called or not, at all places where they are. */
export const MOST_MODULES = 4 * MOST_NODES
