/** Small budgets, and chains of layers that have several units and a rest by them. */

import {
  adaptiveAvgPool2d,
  alif,
  avgPool2d,
  batchNorm2d,
  type CompileOptions,
  conv2d,
  delay,
  flatten,
  groupNorm,
  type Layer,
  layerNorm,
  leakyIntegrator,
  lif,
  linear,
  type Method,
  plif,
  recurrent,
  scale,
  stabilizedLif,
} from '../../src/index.js'
import type { Budgets } from './budgets.js'

/** A few floats, rows or tiles. Some chains have others, by which their sizes leave a rest. */
export const small: Partial<Budgets> = {
  unitFloats: 40,
  normFloats: 100,
  updateFloats: 48,
  sumFloats: 48,
  recordBytes: 48,
  enoughUnits: 4,
  spikeUnits: 4,
  spikePixels: 5,
  momentPixels: 3,
  forwardListBytes: 1,
  leastMomentPixels: 1,
  leastForwardUnits: 2,
  denseRows: 10,
  groupedRows: 36,
  kPerUnit: 12,
  rowsPerSplit: 20,
  chunkBytes: 1,
  packBytes: 16,
  tilesPerUnit: 4,
  ownTiles: 4,
  splitTiles: 4,
  leastSplits: 2,
  leastTiles: 1,
  weightTileBytes: 170_000,
  tileBytes: 1,
  reduceRows: 12,
  strideTiles: 4,
  strideUnits: 2,
  byteCount: 4,
  wordCounts: 3,
  wordWeights: 6,
  runBytes: 64,
}

type Shape = readonly [number, number, number]

export interface Chain {
  readonly name: string
  readonly layers: readonly Layer[]
  readonly input: Shape
  readonly methods?: readonly Method[]
  readonly budgets?: Partial<Budgets>
  readonly options?: Partial<CompileOptions>
}

const deep = (channels: number, vThreshold = 1): Layer[] => [
  conv2d(2, channels, 3, { padding: 1 }),
  lif({ vThreshold }),
  conv2d(channels, channels, 3, { padding: 1 }),
  batchNorm2d(channels),
  lif(),
  avgPool2d(2),
  conv2d(channels, 40, 1),
  batchNorm2d(40),
  lif(),
  flatten(),
  linear(40 * 10, 5),
]
const ramp = (n: number): number[] => Array.from({ length: n }, (_, i) => 0.5 + ((i * 7) % 11) / 8)

export const chains: readonly Chain[] = [
  {
    name: 'few input channels',
    layers: [conv2d(3, 8, 3, { padding: 1 }), batchNorm2d(8), lif(), flatten(), linear(1176, 5)],
    input: [3, 7, 21],
    methods: ['rate', 'bptt'],
    budgets: { copyBytes: 3800, enoughUnits: 2 },
  },
  {
    name: 'Winograd, rows of lists, groups of images',
    // Few spikes: lists of them give the gradients.
    layers: deep(20, 3),
    input: [2, 11, 5],
    budgets: { rateGridBytes: 12_000, patternGridBytes: 70_000, patternSumBytes: 7600 },
  },
  {
    name: 'passes, strips of an image',
    layers: deep(40),
    input: [2, 11, 5],
    methods: ['rate', 'bptt'],
    budgets: {
      ...{ kernelBytes: 0, leastSplits: 99, tileBytes: 250_000 },
      ...{
        leastForwardUnits: 99,
        listBytes: 4000,
        patternGridBytes: 20_000,
        patternListBytes: 12_000,
      },
    },
  },
  {
    name: 'dense products',
    layers: [
      conv2d(2, 12, 1),
      lif(),
      conv2d(12, 20, [3, 2], { stride: 2 }),
      lif(),
      flatten(),
      linear(20 * 3 * 4, 4),
    ],
    input: [2, 7, 9],
    // Two groups of steps, and two kinds of calls.
    options: { timeSteps: 5 },
  },
  {
    name: 'stride 2',
    layers: [
      conv2d(2, 12, 3, { padding: 1 }),
      lif(),
      conv2d(12, 40, 3, { stride: 2, padding: 1, standardise: true }),
      lif(),
      flatten(),
      linear(40 * 7 * 8, 4),
    ],
    input: [2, 13, 15],
    methods: ['bptt'],
    budgets: { strideTiles: 8 },
  },
  {
    name: 'depthwise',
    layers: [
      conv2d(3, 12, 3, { padding: 1, bias: false }),
      batchNorm2d(12),
      lif(),
      conv2d(12, 12, 3, { padding: 1, groups: 12, bias: false }),
      plif(),
      conv2d(12, 18, [3, 2], { groups: 3 }),
      lif(),
      flatten(),
      linear(18 * 5 * 5, 5),
    ],
    input: [3, 7, 6],
    methods: ['bptt'],
  },
  {
    name: 'few large groups',
    layers: [
      conv2d(4, 32, 3, { padding: 1, bias: false }),
      lif(),
      conv2d(32, 64, 3, { padding: 1, groups: 2 }),
      lif(),
      avgPool2d(4),
      flatten(),
      linear(64 * 4, 3),
    ],
    input: [4, 8, 8],
    methods: ['rate'],
  },
  {
    name: 'layers between neurons',
    layers: [
      conv2d(3, 6, 3),
      groupNorm(3, 6),
      lif(),
      delay([0, 1, 2, 1, 0, 1]),
      conv2d(6, 5, 2),
      delay(1),
      layerNorm([5, 4, 6]),
      scale(ramp(5)),
      lif(),
      conv2d(5, 6, 2),
      adaptiveAvgPool2d([3, 3]),
      lif(),
      flatten(),
      linear(54, 4),
    ],
    input: [3, 7, 9],
    methods: ['rate', 'bptt'],
    options: { frames: true },
  },
  {
    name: 'cells',
    layers: [
      conv2d(2, 6, 3, { padding: 1 }),
      alif({ tauSyn: 2, tau: [2, 3, 2, 3, 2, 3], learn: ['tau', 'beta'], vThreshold: 0.5 }),
      avgPool2d(2),
      conv2d(6, 5, 1),
      recurrent(lif({ vThreshold: 0.5 })),
      flatten(),
      linear(15, 4),
      leakyIntegrator({ tau: 3 }),
    ],
    input: [2, 7, 3],
    methods: ['bptt'],
  },
  {
    name: 'stabilised neurons',
    layers: [
      conv2d(2, 5, 3, { padding: 1 }),
      batchNorm2d(5),
      stabilizedLif(),
      flatten(),
      linear(5 * 21, 4),
    ],
    input: [2, 7, 3],
    methods: ['os'],
  },
]
