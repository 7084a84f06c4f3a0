/** Networks that several tests take. */
import { type Block, block, delay, linear, type Method, scale } from '../../src/index.js'
import { ramp } from './chains.js'
import { netOf } from './net.js'

/** All layers between neurons, of images [3, 6, 6]; a method that learns by steps has no delays. */
export const betweenNeurons = (method: Method = 'bptt'): Block => {
  const delays = method !== 'sltt'
  const own = {
    ramp: () => scale(ramp(8)),
    later: () => (delays ? delay(2) : scale(2)),
  }
  return block(
    {
      stem: netOf([3, 6, 6], 'conv 6 3, groupNorm 2, layerNorm 4, lif'),
      later: delays ? delay([0, 1, 2, 0, 1, 3]) : scale(1),
      side: netOf([6, 4, 4], 'conv 5 3 padding=1, layerNorm 4x4, later, lif', own),
      sums: netOf([11, 4, 4], 'sumPool2d 2, conv 7 1, layerNorm 7x2x2, lif, flatten'),
      wide: netOf([6, 4, 4], 'adaptiveAvgPool2d 3x2, flatten, linear 8, ramp, lif', own),
      out: linear(36, 4),
    },
    (m, x, { concat }) => {
      const stem = m.later(m.stem(x))
      return m.out(concat(m.sums(concat(stem, m.side(stem))), m.wide(stem)))
    },
  )
}

/** Neurons behind a rectified normalisation, of images [2, 6, 6]. */
export const rectified = (): Block =>
  netOf(
    [2, 6, 6],
    'conv 8 3 padding=1, norm, relu, conv 9 3 stride=2, norm, lif, flatten, linear 4',
  )
