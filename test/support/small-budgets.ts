/** Small budgets, and chains of layers that have several units and a rest by them. */

import { alif, type CompileOptions, lif, type Method, recurrent, scale } from '../../src/index.js'
import type { InputShape } from '../../src/network/value.js'
import type { Budgets } from './budgets.js'
import { ramp } from './chains.js'

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
  wordSum: 127 * 6,
  runBytes: 64,
}

export interface Chain {
  readonly input: InputShape
  readonly text: string
  readonly methods?: readonly Method[]
  readonly budgets?: Partial<Budgets>
  readonly options?: Partial<CompileOptions>
}

/** Layers whose options are lists of names. */
export const ownLayers = {
  ramp: (channels: number) => scale(ramp(channels)),
  learns: () =>
    alif({ tauSyn: 2, tau: [2, 3, 2, 3, 2, 3], learn: ['tau', 'beta'], vThreshold: 0.5 }),
  hears: () => recurrent(lif({ vThreshold: 0.5 })),
}

const deep = (channels: number, vThreshold = 1): string =>
  `conv ${channels} 3 padding=1, lif vThreshold=${vThreshold}, conv ${channels} 3 padding=1, norm,
   lif, avgPool2d 2, conv 40 1, norm, lif, flatten, linear 5`

export const chains: Readonly<Record<string, Chain>> = {
  'few input channels': {
    input: [3, 7, 21],
    text: 'conv 8 3 padding=1, norm, lif, flatten, linear 5',
    methods: ['rate', 'bptt'],
    budgets: { copyBytes: 3800, enoughUnits: 2 },
  },
  'Winograd, rows of lists, groups of images': {
    input: [2, 11, 5],
    // Few spikes: lists of them give the gradients.
    text: deep(20, 3),
    budgets: { rateGridBytes: 12_000, patternGridBytes: 70_000, patternSumBytes: 7600 },
  },
  'passes, strips of an image': {
    input: [2, 11, 5],
    text: deep(40),
    methods: ['rate', 'bptt'],
    budgets: {
      ...{ kernelBytes: 0, leastSplits: 99, tileBytes: 250_000, leastForwardUnits: 99 },
      ...{ listBytes: 4000, patternGridBytes: 20_000, patternListBytes: 12_000 },
    },
  },
  'dense products': {
    input: [2, 7, 9],
    text: 'conv 12 1, lif, conv 20 3x2 stride=2, lif, flatten, linear 4',
    // Two groups of steps, and two kinds of calls.
    options: { timeSteps: 5 },
  },
  'stride 2': {
    input: [2, 13, 15],
    text: 'conv 12 3 padding=1, lif, conv 40 3 stride=2 padding=1 standardise=true, lif, flatten, linear 4',
    methods: ['bptt'],
    budgets: { strideTiles: 8 },
  },
  depthwise: {
    input: [3, 7, 6],
    text: `conv 12 3 padding=1 bias=false, norm, lif, conv 12 3 padding=1 groups=12 bias=false,
      plif, conv 18 3x2 groups=3, lif, flatten, linear 5`,
    methods: ['bptt'],
  },
  'few large groups': {
    input: [4, 8, 8],
    text: `conv 32 3 padding=1 bias=false, lif, conv 64 3 padding=1 groups=2, lif, avgPool2d 4,
      flatten, linear 3`,
    methods: ['rate'],
  },
  'layers between neurons': {
    input: [3, 7, 9],
    text: `conv 6 3, groupNorm 3, lif, delay 0x1x2x1x0x1, conv 5 2, delay 1, layerNorm 5x4x6, ramp,
      lif, conv 6 2, adaptiveAvgPool2d 3x3, lif, flatten, linear 4`,
    methods: ['rate', 'bptt'],
    options: { frames: true },
  },
  'images of another size': {
    input: [3, 5, 4],
    text: `conv 4 3 padding=2 dilation=2, lif, upsample size=7x9 mode=bilinear,
      transposed 4 2 stride=2 padding=1, conv 5 3 dilation=2 stride=4, lif, flatten, linear 4`,
    methods: ['rate', 'bptt'],
  },
  cells: {
    input: [2, 7, 3],
    text: `conv 6 3 padding=1, learns, avgPool2d 2, conv 5 1, hears, flatten, linear 4,
      leakyIntegrator tau=3`,
    methods: ['bptt'],
  },
  'stabilised neurons': {
    input: [2, 7, 3],
    text: 'conv 5 3 padding=1, norm, stabilizedLif, flatten, linear 4',
    methods: ['os'],
  },
}
