/**
 * Networks that are chains, for tests of all methods. Channels lie below, at and above the widths
 * of vectors and blocks; images are not square; strides, paddings and pools leave a rest.
 */
import { type Layer, type Method, scale } from '../../src/index.js'
import type { InputShape } from '../../src/nn/value.js'
import { layersOf } from './net.js'
import { offlineModes, usualModes } from './tables.js'

type Mode = (typeof usualModes)[number]

export interface Chain {
  readonly input: InputShape
  readonly layers: readonly Layer[]
  readonly modes: readonly Mode[]
}

/** Numbers of every size near 1. */
export const ramp = (n: number): number[] =>
  Array.from({ length: n }, (_, i) => 0.5 + ((i * 7) % 11) / 8)

const chain = (input: InputShape, text: string, modes = usualModes): Chain => ({
  ...{ input, modes },
  layers: layersOf(input, text, { scale5: () => scale(ramp(5)), scale36: () => scale(ramp(36)) }),
})

const without = (...methods: Method[]) => usualModes.filter(([method]) => !methods.includes(method))
const noTraces = without('ottt')

/** Convolutions, pools and linear layers; the last ones have currents behind currents. */
export const plainChains: Readonly<Record<string, Chain>> = {
  '1→3→5 5×7 padding 0': chain(
    [1, 5, 7],
    'conv 3 3, norm, lif, conv 5 2x3, norm, lif, flatten, linear 4',
    offlineModes,
  ),
  '3→17→33 5×7 stride 2': chain(
    [3, 5, 7],
    `conv 17 3 stride=2 padding=1 bias=false, norm, lif,
     conv 33 3 stride=2 padding=1 bias=false, norm, lif, flatten, linear 5`,
    offlineModes,
  ),
  '5→33→1 7×5 pools without batch norm': chain(
    [5, 7, 5],
    `conv 33 3 padding=1, lif, avgPool2d 2, conv 1 1, lif, avgPool2d 3x2 stride=1,
     flatten, linear 3`,
    offlineModes,
  ),
  '2→17→17 6×5 pool with padding, 5×5 kernel': chain(
    [2, 6, 5],
    `conv 17 3 padding=1 stride=1x2, norm, lif, avgPool2d 3 stride=2 padding=1,
     conv 17 5 padding=2 bias=false, norm, lif, flatten, linear 10`,
    offlineModes,
  ),
  '33→40 9×11 twice 3×3 stride 1': chain(
    [3, 9, 11],
    `conv 33 3 padding=1, norm, lif, conv 40 3 padding=1 bias=false, norm, lif,
     avgPool2d 9x11, flatten, linear 7`,
    offlineModes,
  ),
  '3×4×1 linear 17–33': chain(
    [3, 4, 1],
    'flatten, linear 17, lif, linear 33 bias=false, lif, linear 3',
    offlineModes,
  ),
  'currents behind currents: conv–conv, pool–pool, linear–linear': chain(
    [2, 6, 5],
    `conv 5 3 padding=1, conv 9 3 padding=1, lif, avgPool2d 2, avgPool2d 3x2, conv 6 1, lif,
     flatten, linear 7, linear 3`,
    offlineModes,
  ),
}

/** Convolutions by groups of channels: at, below and above whole vectors. */
export const groupedChains: Readonly<Record<string, Chain>> = {
  'depthwise separable': chain(
    [3, 7, 6],
    `conv 12 3 padding=1 bias=false, norm, lif, conv 12 3 padding=1 groups=12 bias=false, norm,
     lif, conv 10 1, lif, conv 10 3 stride=2 groups=10, lif, flatten, linear 5`,
  ),
  'groups of vectors and less': chain(
    [6, 6, 7],
    `conv 18 3 padding=1 groups=3, lif, conv 32 3x2 groups=2 stride=2x1 bias=false, norm, lif,
     conv 20 2 groups=4 padding=1x0, lif, flatten, linear 4`,
  ),
  'pools and currents before groups': chain(
    [4, 6, 8],
    `conv 8 3 padding=1 groups=4, conv 8 3 padding=1 groups=8, lif, avgPool2d 2,
     conv 16 2 groups=2, conv 16 1 groups=16, lif, scale 1.5, conv 6 1 groups=2,
     lif vThreshold=0.5, flatten, linear 3`,
    noTraces,
  ),
  'few large groups': chain(
    [4, 8, 8],
    `conv 32 3 padding=1 bias=false, norm, lif, conv 64 3 padding=1 groups=2, norm, lif,
     avgPool2d 2, conv 48 3 padding=1 groups=2 bias=false, norm, lif, avgPool2d 4, flatten,
     linear 3`,
  ),
  'an image of its own groups': chain(
    [3, 5, 5],
    'conv 3 3 groups=3, lif, conv 9 2 groups=3 padding=1, lif, flatten, linear 4',
  ),
  'standardised weights by groups': chain(
    [3, 6, 6],
    `conv 8 3 padding=1 standardise=true, lif, conv 16 3 groups=2 standardise=true, lif,
     conv 16 3 groups=16 standardise=true bias=false, lif, flatten, linear 4`,
  ),
}

/** Layers between neurons. */
export const mixedChains: Readonly<Record<string, Chain>> = {
  'sums over windows': chain(
    [3, 5, 6],
    'conv 5 3, lif, sumPool2d 2 stride=1, conv 6 2, lif, flatten, linear 4',
  ),
  'unequal windows': chain(
    [3, 5, 6],
    'conv 5 2, adaptiveAvgPool2d 3x2, lif vThreshold=0.5, flatten, linear 4',
  ),
  'unequal windows of spikes, larger than the image': chain(
    [3, 5, 6],
    'conv 5 2, lif, adaptiveAvgPool2d 3x7, flatten, linear 4',
    noTraces,
  ),
  'group normalisation': chain(
    [3, 5, 6],
    `conv 6 3, groupNorm 3, lif, conv 8 2, groupNorm 1 eps=0.01 affine=false, lif, flatten,
     linear 4`,
  ),
  'layer normalisation': chain(
    [3, 5, 6],
    'conv 5 3, layerNorm 5x3x4, lif, flatten, linear 9, layerNorm 9, lif, linear 4',
  ),
  // A bias of a channel has no effect.
  'layer normalisation of channels and rows': chain(
    [3, 5, 6],
    `conv 5 2 bias=false, layerNorm 5, lif, conv 6 2 bias=false, layerNorm 3x4 eps=0.01, lif,
     conv 5 3x1 bias=false, layerNorm 4 affine=false, lif, flatten, linear 4`,
  ),
  'constants of channels and neurons': chain(
    [3, 5, 6],
    'conv 5 3, scale5, lif, conv 6 2, scale36, lif, flatten, linear 4',
  ),
  delays: chain(
    [3, 5, 6],
    'conv 5 3, lif, delay 1, conv 6 2, delay 0x1x2x3x9x0, lif, flatten, linear 4',
    offlineModes,
  ),
  'delays of channels of spikes': chain(
    [3, 5, 6],
    'conv 5 3, lif, delay 2x0x1x3x1, flatten, linear 4',
    offlineModes,
  ),
  series: chain(
    [3, 19],
    `conv 6 4 padding=1 bias=false, norm, lif, avgPool1d 2, conv 9 3 stride=2 groups=3, lif,
     sumPool1d 2 stride=1, flatten, linear 4`,
    noTraces,
  ),
  'series pooled to a length': chain(
    [3, 12],
    `conv 6 3, adaptiveAvgPool1d 4, lif, flatten, linear 5 bias=false, norm, lif, linear 4`,
  ),
}
