/** Matrix products. */

import { Dense } from '../../../assembly/opcodes.js'
import { describe, expect } from '../../errors.js'
import { roundUp } from '../../round-up.js'
import { operation } from '../operation.js'
import { checkShape, showShape } from '../shapes.js'
import { plainTensor } from '../tensor.js'
import type { Fixed, OnlyWith, Ranked } from '../types.js'

/** Options of `ops.matmul`. */
export interface MatmulOptions {
  /** [M, K]; [K, M] with 'TN'. */
  readonly a: readonly number[]
  /** [K, N]; [N, K] with 'NT'. */
  readonly b: readonly number[]
  /** Which matrix is read transposed: none, the second or the first. Default 'NN'. */
  readonly transpose?: 'NN' | 'NT' | 'TN'
}

/** The plan's own memory. */
export type MatmulMemory = {
  /** The left matrix, row by row. */
  readonly a: Float32Array
  /** The right matrix, row by row. */
  readonly b: Float32Array
  /** The product, row by row. */
  readonly output: Float32Array
}

/** Ranks of the options: matrices. */
export type MatmulRanks = {
  /** The left one. */
  readonly a: 2
  /** The right one. */
  readonly b: 2
}

/** `ops.matmul`: on one thread. */
export interface MatmulTypes
  extends Fixed<MatmulRanks, [a: Float32Array, b: Float32Array], Float32Array, MatmulMemory> {
  /** Shapes have the right rank; there is one thread. */
  readonly rules: Ranked<this['options'], MatmulRanks> & {
    /** It runs on the calling thread. */
    readonly threads?: 1 | OnlyWith<'one thread'>
  }
}

const axes = {
  NN: { a: 'M K', b: 'K N' },
  NT: { a: 'M K', b: 'N K' },
  TN: { a: 'K M', b: 'K N' },
} as const

/** Bytes of scratch for N columns: a tile at the edge, rows of the left matrix, the right one. */
const scratchBytes = (N: number): number =>
  Dense.TileBytes + 4 * Dense.Depth * (Dense.ProductRows + roundUp(N, Dense.TileColumns))

/**
 * The product of two matrices, in float32:
 *
 *     output[m, n] = Σ over k of a[m, k] · b[k, n]
 *
 * with b[n, k] for 'NT' and a[k, m] for 'TN'. No layer of a network calls it: convolutions and
 * linear layers pack their own panels for the same tiles of sums. It runs on one thread.
 *
 * Arguments of `run`: a, b. Result: [M, N].
 */
export const matmul = operation<MatmulOptions, MatmulTypes>(
  'matmul',
  ['a', 'b', 'transpose'],
  ({ b: builder, op }, options) => {
    const { a, b, transpose = 'NN' } = options
    expect(
      typeof transpose === 'string' && Object.hasOwn(axes, transpose),
      () => `${op}.transpose must be 'NN', 'NT' or 'TN', got ${describe(transpose)}`,
    )
    checkShape(`${op}.a`, a, axes[transpose].a)
    checkShape(`${op}.b`, b, axes[transpose].b)
    const [M, K] = transpose === 'TN' ? [a[1], a[0]] : [a[0], a[1]]
    const [depth, N] = transpose === 'NT' ? [b[1], b[0]] : [b[0], b[1]]
    expect(
      depth === K,
      () => `${op}: a ${showShape(a)} has K = ${K}, but b ${showShape(b)} has K = ${depth}`,
    )
    checkShape(`${op}: the output`, [M, N], 'M N')
    const left = plainTensor(builder, { name: 'a' }, [...a])
    const right = plainTensor(builder, { name: 'b' }, [...b])
    const out = plainTensor(builder, { name: 'output' }, [M, N])
    return {
      inputs: [left, right],
      outputs: [out],
      calls: {
        name: `matmul${transpose}`,
        arguments: () => [...[out, left, right].map(({ buffer }) => buffer.address), M, N, K],
        scratch: scratchBytes(N),
      },
    }
  },
)
