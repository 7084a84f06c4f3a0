/**
 * Networks that are chains, for tests of all methods. Channels lie below, at and above the widths
 * of vectors and blocks; images are not square; strides, paddings and pools leave a rest.
 */
import { type Layer, type Method, scale } from '../../src/index.js'
import type { InputShape } from '../../src/network/value.js'
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

/** Layers that a text calls by names of its own. */
const own = { ramped: (channels: number) => scale(ramp(channels)), each: () => scale(ramp(36)) }

/** A table of texts, each behind its input; `without`: methods that some are not for. */
const chainsOf = (
  texts: Readonly<Record<string, string>>,
  modes = usualModes,
  without: Readonly<Record<string, readonly Method[]>> = {},
): Readonly<Record<string, Chain>> =>
  Object.fromEntries(
    Object.entries(texts).map(([name, row]) => {
      const [sizes, text] = row.split(': ')
      const input = sizes.split('x').map(Number) as unknown as InputShape
      const fitting = modes.filter(([method]) => !without[name]?.includes(method))
      return [name, { input, layers: layersOf(input, text, own), modes: fitting }]
    }),
  )

/** Convolutions, pools and linear layers; the last ones have currents behind currents. */
export const plainChains = chainsOf(
  {
    '1→3→5 5×7 padding 0': '1x5x7: conv 3 3, norm, lif, conv 5 2x3, norm, lif, flatten, linear 4',
    '3→17→33 5×7 stride 2': `3x5x7: conv 17 3 stride=2 padding=1 bias=false, norm, lif,
      conv 33 3 stride=2 padding=1 bias=false, norm, lif, flatten, linear 5`,
    '5→33→1 7×5 pools without batch norm': `5x7x5: conv 33 3 padding=1, lif, avgPool2d 2, conv 1 1,
      lif, avgPool2d 3x2 stride=1, flatten, linear 3`,
    '2→17→17 6×5 pool with padding, 5×5 kernel': `2x6x5: conv 17 3 padding=1 stride=1x2, norm, lif,
      avgPool2d 3 stride=2 padding=1, conv 17 5 padding=2 bias=false, norm, lif, flatten, linear 10`,
    '33→40 9×11 twice 3×3 stride 1': `3x9x11: conv 33 3 padding=1, norm, lif,
      conv 40 3 padding=1 bias=false, norm, lif, avgPool2d 9x11, flatten, linear 7`,
    '3×4×1 linear 17–33': '3x4x1: flatten, linear 17, lif, linear 33 bias=false, lif, linear 3',
    'conv–conv, pool–pool, linear–linear': `2x6x5: conv 5 3 padding=1, conv 9 3 padding=1, lif,
      avgPool2d 2, avgPool2d 3x2, conv 6 1, lif, flatten, linear 7, linear 3`,
  },
  offlineModes,
)

/** Convolutions by groups of channels: at, below and above whole vectors. */
export const groupedChains = chainsOf(
  {
    'depthwise separable': `3x7x6: conv 12 3 padding=1 bias=false, norm, lif,
      conv 12 3 padding=1 groups=12 bias=false, norm, lif, conv 10 1, lif,
      conv 10 3 stride=2 groups=10, lif, flatten, linear 5`,
    'groups of vectors and less': `6x6x7: conv 18 3 padding=1 groups=3, lif,
      conv 32 3x2 groups=2 stride=2x1 bias=false, norm, lif, conv 20 2 groups=4 padding=1x0, lif,
      flatten, linear 4`,
    'pools and currents before groups': `4x6x8: conv 8 3 padding=1 groups=4,
      conv 8 3 padding=1 groups=8, lif, avgPool2d 2, conv 16 2 groups=2, conv 16 1 groups=16, lif,
      scale 1.5, conv 6 1 groups=2, lif vThreshold=0.5, flatten, linear 3`,
    'few large groups': `4x8x8: conv 32 3 padding=1 bias=false, norm, lif,
      conv 64 3 padding=1 groups=2, norm, lif, avgPool2d 2, conv 48 3 padding=1 groups=2 bias=false,
      norm, lif, avgPool2d 4, flatten, linear 3`,
    'an image of its own groups':
      '3x5x5: conv 3 3 groups=3, lif, conv 9 2 groups=3 padding=1, lif, flatten, linear 4',
    'standardised weights by groups': `3x6x6: conv 8 3 padding=1 standardise=true, lif,
      conv 16 3 groups=2 standardise=true, lif,
      conv 16 3 groups=16 standardise=true bias=false, lif, flatten, linear 4`,
  },
  usualModes,
  { 'pools and currents before groups': ['ottt'] },
)

/** Convolutions whose taps are apart, transposed ones, and images of another size. */
export const sizedChains = chainsOf(
  {
    dilated: `3x9x8: conv 6 3 dilation=2 padding=2, norm, lif, conv 20 3x2 dilation=2x3 stride=2x1,
      lif, avgPool2d 1x2, conv 5 2 dilation=3x1 padding=2x0, lif, flatten, linear 4`,
    'dilated by groups': `4x8x9: conv 16 3 dilation=2 padding=1x2 groups=4 standardise=true, lif,
      conv 12 2x3 dilation=3x2 groups=2, lif, conv 12 2 dilation=2 groups=12, lif, flatten,
      linear 3`,
    'dilated series': `3x19: conv 6 4 dilation=3 padding=2, lif, conv 5 3 dilation=2 stride=2, lif,
      flatten, linear 4`,
    transposed: `3x4x5: conv 6 3 padding=1, lif, transposed 17 3 stride=2 padding=1 outputPadding=1,
      norm, lif, transposed 5 2x3 stride=1x2 bias=false, lif vThreshold=0.5, flatten, linear 4`,
    'transposed from a pixel': `8x1x1: transposed 5 3x4, lif, conv 4 2, lif, flatten, linear 4`,
    'transposed by groups': `4x4x3: transposed 8 3 stride=2 groups=2, lif,
      transposed 12 2 stride=3x1 padding=1x0 outputPadding=2x0 groups=4, lif,
      transposed 12 3 padding=1 groups=12, lif, flatten, linear 3`,
    'transposed, dilated, behind currents': `2x3x4: transposed 5 3x2 dilation=2x3 outputPadding=1x2,
      transposed 4 3 stride=2 padding=4, lif, avgPool2d 2, transposed 9 1 stride=2, lif, flatten,
      linear 4`,
    'transposed series': `3x7: conv 5 2, lif, transposed 6 4 stride=3 padding=2 outputPadding=1 bias=false, norm,
      lif, transposed 4 3 dilation=2 outputPadding=1 groups=2, lif, flatten, linear 4`,
    'repeated pixels': `2x3x4: conv 5 2 padding=1, lif, upsample scale=2x1.5, lif vThreshold=0.5,
      upsample size=7x5, conv 6 3, lif, flatten, linear 4`,
    'between pixels': `2x4x5: upsample scale=2 mode=bilinear, conv 6 3 padding=1, lif,
      upsample size=5x13 mode=bilinear alignCorners=true, conv 5 2, lif, flatten, linear 4`,
    'between places of a series': `3x7: conv 5 2, lif, upsample scale=2.5 mode=linear, conv 6 3, lif,
      flatten, linear 4`,
  },
  usualModes,
  {
    'transposed, dilated, behind currents': ['ottt'],
    'repeated pixels': ['ottt'],
    'between pixels': ['ottt'],
    'between places of a series': ['ottt'],
  },
)

/** Layers between neurons. */
export const mixedChains = chainsOf(
  {
    'sums over windows':
      '3x5x6: conv 5 3, lif, sumPool2d 2 stride=1, conv 6 2, lif, flatten, linear 4',
    'unequal windows':
      '3x5x6: conv 5 2, adaptiveAvgPool2d 3x2, lif vThreshold=0.5, flatten, linear 4',
    'unequal windows of spikes, larger than the image':
      '3x5x6: conv 5 2, lif, adaptiveAvgPool2d 3x7, flatten, linear 4',
    'group normalisation': `3x5x6: conv 6 3, groupNorm 3, lif, conv 8 2,
      groupNorm 1 eps=0.01 affine=false, lif, flatten, linear 4`,
    'layer normalisation': `3x5x6: conv 5 3, layerNorm 5x3x4, lif, flatten, linear 9, layerNorm 9,
      lif, linear 4`,
    // A bias of a channel has no effect.
    'layer normalisation of channels and rows': `3x5x6: conv 5 2 bias=false, layerNorm 5, lif,
      conv 6 2 bias=false, layerNorm 3x4 eps=0.01, lif, conv 5 3x1 bias=false,
      layerNorm 4 affine=false, lif, flatten, linear 4`,
    'constants of channels and neurons':
      '3x5x6: conv 5 3, ramped, lif, conv 6 2, each, lif, flatten, linear 4',
    delays: `3x5x6: conv 5 3, lif, delay 1, conv 6 2, delay 0x1x2x3x9x0, lif, flatten, linear 4`,
    'delays of channels of spikes': '3x5x6: conv 5 3, lif, delay 2x0x1x3x1, flatten, linear 4',
    series: `3x19: conv 6 4 padding=1 bias=false, norm, lif, avgPool1d 2, conv 9 3 stride=2 groups=3,
      lif, sumPool1d 2 stride=1, flatten, linear 4`,
    'series pooled to a length': `3x12: conv 6 3, adaptiveAvgPool1d 4, lif, flatten,
      linear 5 bias=false, norm, lif, linear 4`,
  },
  usualModes,
  {
    'unequal windows of spikes, larger than the image': ['ottt'],
    delays: ['ottt', 'sltt'],
    'delays of channels of spikes': ['ottt', 'sltt'],
    series: ['ottt'],
  },
)
