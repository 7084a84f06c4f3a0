/** Layers between neurons: gradients against their definition in float64, in every method. */
import { test } from 'uvu'
import {
  adaptiveAvgPool1d,
  adaptiveAvgPool2d,
  avgPool1d,
  batchNorm1d,
  conv1d,
  conv2d,
  delay,
  flatten,
  groupNorm,
  type Layer,
  layerNorm,
  lif,
  linear,
  type Method,
  type StepMode,
  scale,
  sumPool1d,
  sumPool2d,
} from '../../src/index.js'
import type { InputShape } from '../../src/nn/value.js'
import { checkCase, makeCase } from '../support/case.js'

const seed = Number(process.env.SEED ?? 5)
const all: readonly [Method, StepMode][] = [
  ['rate', 'm'],
  ['rate', 's'],
  ['bptt', 'm'],
  ['bptt', 's'],
  ['sltt', 's'],
  ['ottt', 's'],
]
const ramp = (n: number): number[] => Array.from({ length: n }, (_, i) => 0.5 + ((i * 7) % 11) / 8)

interface Chain {
  readonly layers: readonly Layer[]
  readonly input: InputShape
  /** Methods that it is not for. */
  readonly without?: readonly Method[]
}

const chains: Record<string, Chain> = {
  'sums over windows': {
    layers: [
      conv2d(3, 5, 3),
      lif(),
      sumPool2d(2, { stride: 1 }),
      conv2d(5, 6, 2),
      lif(),
      flatten(),
      linear(12, 4),
    ],
    input: [3, 5, 6],
  },
  'unequal windows': {
    layers: [conv2d(3, 5, 2), adaptiveAvgPool2d([3, 2]), lif(), flatten(), linear(30, 4)],
    input: [3, 5, 6],
  },
  'unequal windows of spikes, larger than the image': {
    layers: [conv2d(3, 5, 2), lif(), adaptiveAvgPool2d([3, 7]), flatten(), linear(105, 4)],
    input: [3, 5, 6],
    without: ['ottt'],
  },
  'group normalisation': {
    layers: [
      conv2d(3, 6, 3),
      groupNorm(3, 6),
      lif(),
      conv2d(6, 8, 2),
      groupNorm(1, 8, { eps: 0.01, affine: false }),
      lif(),
      flatten(),
      linear(48, 4),
    ],
    input: [3, 5, 6],
  },
  'layer normalisation': {
    layers: [
      conv2d(3, 5, 3),
      layerNorm([5, 3, 4]),
      lif(),
      flatten(),
      linear(60, 9),
      layerNorm(9),
      lif(),
      linear(9, 4),
    ],
    input: [3, 5, 6],
  },
  'constants of channels and neurons': {
    layers: [
      conv2d(3, 5, 3),
      scale(ramp(5)),
      lif(),
      conv2d(5, 6, 2),
      scale(ramp(36)),
      lif(),
      flatten(),
      linear(36, 4),
    ],
    input: [3, 5, 6],
  },
  delays: {
    layers: [
      conv2d(3, 5, 3),
      lif(),
      delay(1),
      conv2d(5, 6, 2),
      delay([0, 1, 2, 3, 9, 0]),
      lif(),
      flatten(),
      linear(36, 4),
    ],
    input: [3, 5, 6],
    without: ['ottt', 'sltt'],
  },
  'delays of channels of spikes': {
    layers: [conv2d(3, 5, 3), lif(), delay([2, 0, 1, 3, 1]), flatten(), linear(60, 4)],
    input: [3, 5, 6],
    without: ['ottt', 'sltt'],
  },
  series: {
    layers: [
      conv1d(3, 6, 4, { padding: 1, bias: false }),
      batchNorm1d(6),
      lif(),
      avgPool1d(2),
      conv1d(6, 9, 3, { stride: 2, groups: 3 }),
      lif(),
      sumPool1d(2, { stride: 1 }),
      flatten(),
      linear(27, 4),
    ],
    input: [3, 19],
    without: ['ottt'],
  },
  'series pooled to a length': {
    layers: [
      conv1d(3, 6, 3),
      adaptiveAvgPool1d(4),
      lif(),
      flatten(),
      linear(24, 5, { bias: false }),
      batchNorm1d(5),
      lif(),
      linear(5, 4),
    ],
    input: [3, 12],
  },
}

for (const [name, { layers, input, without = [] }] of Object.entries(chains))
  for (const [method, stepMode] of all) {
    if (without.includes(method)) continue
    test(`${name}: ${method} ${stepMode}`, async () => {
      for (const [timeSteps, frames] of [
        [9, true],
        [3, false],
      ] as const) {
        const options = { input, timeSteps, batchSize: 2, method, stepMode, frames }
        await checkCase(`T=${timeSteps}`, await makeCase(layers, options, seed))
      }
    })
  }

test.run()
