/** Networks that several tests take. */
import {
  type Block,
  batchNorm2d,
  block,
  conv2d,
  delay,
  identity,
  lif,
  linear,
  type Method,
  scale,
  sequential,
} from '../../src/index.js'
import { ramp } from './chains.js'
import { netOf } from './net.js'

/** All layers between neurons, of images [3, 6, 6]; a method that learns by steps has no delays. */
export const betweenNeurons = (method: Method = 'bptt'): Block => {
  const delays = method !== 'sltt'
  const own = { ramp: () => scale(ramp(8)), later: () => (delays ? delay(2) : scale(2)) }
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

/** ResNet's basic block: currents are added. */
export const basicBlock = (
  from: number,
  to: number,
  stride: number,
  neuron: { vThreshold?: number } = {},
): Block =>
  block(
    {
      ...{ conv1: conv2d(from, to, 3, { padding: 1, stride, bias: false }), bn1: batchNorm2d(to) },
      ...{ conv2: conv2d(to, to, 3, { padding: 1, bias: false }), bn2: batchNorm2d(to) },
      ...{ spike1: lif(neuron), spike2: lif(neuron) },
      shortcut:
        stride === 1
          ? identity()
          : sequential(conv2d(from, to, 1, { stride, bias: false }), batchNorm2d(to)),
    },
    (m, x, { add }) => m.spike2(add(m.bn2(m.conv2(m.spike1(m.bn1(m.conv1(x))))), m.shortcut(x))),
  )
