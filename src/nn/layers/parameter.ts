/** Numbers that are learnt, as a value of a forward function. */

import { checkBoolean, checkOptions, describe, fail } from '../../base/errors.js'
import { withGradient } from '../../compile/emit/gradients.js'
import { emitFloatSum } from '../../compile/emit/sums.js'
import { neuronLayout, storedChannels } from '../../compile/layout.js'
import { defineLayer } from '../../compile/pass.js'
import { rearrange } from '../../kernels/records/values.js'
import type { Reference } from '../../kernels/records/words.js'
import { type Initial, layerOf, type OfKind } from '../../network/kind.js'
import type { Apply, Ops } from '../../network/module.js'
import { readersOf } from '../../network/trace.js'
import * as values from '../../network/value.js'

/**
 * Where numbers that are learnt begin: at a number; at a list of them, in PyTorch's order; normal
 * with mean 0 and this standard deviation; uniform between minus and plus this bound. `'default'`,
 * `'kaiming'`, `'xavier'`: uniform with a bound of 1/√fanIn, as PyTorch's layers begin, √(6/fanIn)
 * or √(6/(fanIn + fanOut)), as its `kaiming_uniform_` and `xavier_uniform_`; of a shape [out, in,
 * …] fanIn is in · …, and fanOut out · ….
 */
export type ParameterStart =
  | number
  | readonly number[]
  | Float32Array
  | {
      /** Standard deviation. */
      readonly normal: number
    }
  | {
      /** The largest. */
      readonly uniform: number
    }
  | 'default'
  | 'kaiming'
  | 'xavier'

/** Numbers of a layer of one's own that are learnt. */
export interface OwnParameter {
  /** Its sizes: [features], [channels, length] or [channels, height, width]. */
  readonly shape: values.InputShape
  /** Default 'default', which a shape of one size has not. */
  readonly start?: ParameterStart
  /** Whether it decays where only weights do; default: where two or more sizes are above 1. */
  readonly decays?: boolean
}

/** What `layer` takes; `P`: what is learnt, `C`: its layers. */
export interface OwnLayer<P, C> {
  /** What messages call it. */
  readonly name?: string
  /** What is learnt, by name. */
  readonly parameters?: P
  /** Layers and blocks that it consists of beside that, as a block's children. */
  readonly layers?: C
  /**
   * What it does with a value, called as a block's forward function is.
   * @param p the parameters as values
   * @param m the layers as functions
   */
  forward(
    ops: Ops,
    x: values.Value,
    p: { readonly [K in keyof P]: values.Value },
    m: { readonly [K in keyof C]: Apply },
  ): values.Value
}

/** What of `layer`'s parameters the network has. */
export interface Parameter extends OfKind<'parameter'>, Required<OwnParameter> {}

declare module '../../network/kind.js' {
  interface Layers {
    parameter: Parameter
  }
}

const bounds = {
  default: (fanIn: number) => 1 / Math.sqrt(fanIn),
  kaiming: (fanIn: number) => Math.sqrt(6 / fanIn),
  xavier: (fanIn: number, fanOut: number) => Math.sqrt(6 / (fanIn + fanOut)),
}

/** @param name what messages call it */
export function parameter(name: string, of: OwnParameter): Parameter {
  checkOptions(name, of, ['shape', 'start', 'decays'])
  const shape = values.checkInputShape(`${name}.shape`, of.shape)
  const isWeight = shape.filter((size) => size > 1).length > 1
  const decays = checkBoolean(`${name}.decays`, of.decays, isWeight)
  const start = of.start instanceof Float32Array ? [...of.start] : (of.start ?? 'default')
  initialOf(name, shape, start, of.start === undefined ? 'none' : undefined)
  return layerOf(kind, { shape, start, decays })
}

function initialOf(
  name: string,
  shape: values.InputShape,
  start: ParameterStart,
  given = describe(start),
): Initial {
  const [out, inputs, ...taps] = shape
  const each = values.sizeOf(taps)
  if (Array.isArray(start) && start.length === values.sizeOf(shape) && start.every(values.finite))
    return { values: start }
  if (typeof start === 'string' && Object.hasOwn(bounds, start) && inputs !== undefined)
    return { uniform: bounds[start](inputs * each, out * each) }
  const isSpread = (key: string): boolean =>
    Object.keys(Object(start)).join() === key &&
    values.finite(Object(start)[key]) &&
    Object(start)[key] >= 0
  if (values.finite(start as number) || isSpread('normal') || isSpread('uniform'))
    return start as Initial
  fail(
    `${name}.start must be a finite number, a list of ${values.sizeOf(shape)} of them, ` +
      '{ normal: deviation }, { uniform: bound } or, of two sizes or more, one of ' +
      `${Object.keys(bounds).join(', ')}, got ${given} for [${shape.join(', ')}]`,
  )
}

const kind = defineLayer<Parameter>('parameter', {
  inputs: 0,
  again: (fields) => parameter('parameter', fields),
  output: ({ shape }) => [values.imageShape(shape), shape.length === 1, shape.length === 2],
  parameters: ({ shape, start, decays }) => [
    { name: '', shape, decays, initial: initialOf('parameter', shape, start) },
  ],
  layout({ shape }, graph, { index, name, shape: image }) {
    if (readersOf(graph, index).length === 0)
      fail(`${name} (parameter): nothing reads it; use it in the layer's forward, or leave it out`)
    return neuronLayout(shape, image)
  },
  /** Written out for each image, so that it is a value like others. */
  lower(pass, node) {
    const { b, context } = pass
    const { index, name, shape } = node
    const [channels, height, width] = shape
    const [pixels, stored] = [height * width, storedChannels(channels)]
    const output = pass.floatTensor(name, shape, 1)
    const from = { otherPixels: pixels, otherStored: stored, shared: true }
    const strides = { channelStride: pixels, rowStride: width, pixelStride: 1, offset: 0 }
    const sizes = { pixels, width, stored, channels, steps: 1, ...from, ...strides }
    pass.make(output, { layers: 0, byImages: true }, () => {
      const places = { in: context.parameter(index, '') as Reference, out: output.buffer }
      b.emit(rearrange, pass.images, { ...sizes, ...places })
    })
    return withGradient(pass, node, output, (partial) => {
      const out = pass.gradient(index, '') as Reference
      const sum = { partial, splits: pass.images, out, accumulate: context.accumulate }
      emitFloatSum(b, pixels * stored, sum)
    })
  },
})
