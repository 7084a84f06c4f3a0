/**
 * Initial values of parameters. Each depends on the seed, the parameter's place in the network and
 * its index alone.
 */

import type { Initial } from '../nn/layers/kind.js'
import { Purpose, RandomStream } from '../random.js'

/** The initial values of a parameter in PyTorch's order. `position`: its place in the network. */
export function initialValues(
  {
    initial,
    layout,
  }: { readonly initial: Initial; readonly layout: { readonly shape: readonly number[] } },
  seed: number,
  position: number,
): Float32Array {
  const values = new Float32Array(layout.shape.reduce((a, b) => a * b, 1))
  if (typeof initial === 'number') return values.fill(initial)
  const stream = new RandomStream(Purpose.Init)
  for (let i = 0; i < values.length; i++) {
    stream.start(seed, position, i)
    values[i] =
      'normal' in initial
        ? initial.normal *
          Math.sqrt(-2 * Math.log(1 - stream.uniform())) *
          Math.cos(2 * Math.PI * stream.uniform())
        : initial.uniform * (2 * stream.uniform() - 1)
  }
  return values
}
