/** Average pooling to a given size. */

import type { GraphNode } from '../graph/trace.js'
import type { Pair } from '../nn/layers/index.js'
import { inUnits } from './budgets.js'
import { giveTensorGradient, gradientBuffer, gradientRows, takeGradient } from './gradients.js'
import { plainFloat } from './materialise.js'
import { type Pass, term } from './pass.js'
import { pooled } from './pooled.js'
import type { ProgramBuilder } from './program.js'
import { adaptivePool, adaptivePoolBackward } from './records/pool.js'
import type { Expression } from './tensors.js'
import type { Buffer } from './words.js'
import { materialise } from './write-out.js'

/** Images and their pooled ones, channels as stored. */
export interface AdaptiveSizes {
  readonly images: number
  readonly input: Pair
  readonly output: Pair
  readonly channels: number
  readonly steps: number
}

/** The record of the pooling, or of its gradient. */
export function emitAdaptive(
  b: ProgramBuilder,
  kind: typeof adaptivePool | typeof adaptivePoolBackward,
  { images, input, output, channels, steps }: AdaptiveSizes,
  places: { readonly in: Buffer; readonly out: Buffer },
): void {
  const [height, width] = kind === adaptivePool ? output : input
  const pixels = images * height * width
  const { units, pixelsPerUnit } = inUnits(pixels, channels * steps)
  const [inH, inW] = input
  const [outH, outW] = output
  const sizes = { images, inH, inW, outH, outW, channels, steps, pixelsPerUnit }
  b.emit(kind, units, { ...sizes, ...places })
}

/** Equal windows are those of average pooling; others are written out. */
export function adaptivelyPooled(
  pass: Pass,
  node: GraphNode,
  x: Expression,
  output: Pair,
): Expression {
  const { b, images } = pass
  const input: Pair = [x.shape[1], x.shape[2]]
  if (input.every((n, i) => n % output[i] === 0)) {
    const kernelSize: Pair = [input[0] / output[0], input[1] / output[1]]
    return pooled(pass, node, x, { kernelSize, stride: kernelSize, padding: [0, 0] })
  }
  const plain = plainFloat(x)
  const tensor = plain && !plain.input ? plain : materialise(pass, node, x)
  const { steps, stored } = tensor
  const out = pass.floatTensor(node.name, node.shape, steps)
  const sizes = { images, input, output, channels: stored }
  pass.make(out, { layers: 0, byImages: true }, () =>
    emitAdaptive(
      b,
      adaptivePool,
      { ...sizes, images: pass.images, steps },
      { in: tensor.buffer as Buffer, out: out.buffer },
    ),
  )
  pass.backward(node, () => {
    if (out.gradient.length === 0) return
    const rows = gradientRows(pass, tensor)
    const delta = takeGradient(pass, out, rows)
    const name = `${node.name} input gradient`
    const gradient = gradientBuffer(pass, name, tensor.shape, rows, stored)
    emitAdaptive(b, adaptivePoolBackward, { ...sizes, steps: rows }, { in: delta, out: gradient })
    giveTensorGradient(tensor, gradient, rows)
  })
  return { shape: node.shape, terms: [term(out)] }
}
