/**
 * Initial values of parameters. Each depends on the seed, the parameter's place in the network and
 * its index alone.
 */

import type { Initial } from '../nn/kind.js'
import { Purpose, RandomStream } from '../random.js'

/**
 * Initial values of a parameter in PyTorch's order.
 *
 * @param position its place in the network
 * @param values where they are written, those from `first` on; default: all, to a new array
 */
export function initialValues(
  {
    initial,
    layout,
  }: { readonly initial: Initial; readonly layout: { readonly shape: readonly number[] } },
  seed: number,
  position: number,
  values = new Float32Array(layout.shape.reduce((a, b) => a * b, 1)),
  first = 0,
): Float32Array {
  if (typeof initial === 'number') return values.fill(initial)
  if ('values' in initial) {
    values.set(initial.values.slice(first, first + values.length))
    return values
  }
  const stream = new RandomStream(Purpose.Init)
  if ('normal' in initial)
    for (let i = 0; i < values.length; i++) {
      stream.start(seed, position, first + i)
      const radius = Math.sqrt(-2 * Math.log(1 - stream.uniform()))
      values[i] = initial.normal * radius * Math.cos(2 * Math.PI * stream.uniform())
    }
  else
    for (let i = 0; i < values.length; i++) {
      stream.start(seed, position, first + i)
      values[i] = initial.uniform * (2 * stream.uniform() - 1)
    }
  return values
}
