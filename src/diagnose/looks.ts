/** Colours and symbols of lines. */

import { type Variant, variantNames } from './diagnosis.js'

/** Dark violet to green, without the yellow that white paper swallows. */
const RAMP = ['#440154', '#3b528b', '#21918c', '#5ec962'].map((hex) =>
  [1, 3, 5].map((at) => Number.parseInt(hex.slice(at, at + 2), 16)),
)

/** A colour for item `index` of `count` that have an order. */
function ordered(index: number, count: number): string {
  const at = count < 2 ? 0 : (index / (count - 1)) * (RAMP.length - 1)
  const low = Math.min(Math.floor(at), RAMP.length - 2)
  const channels = RAMP[low].map((value, c) =>
    Math.round(value + (RAMP[low + 1][c] - value) * (at - low)),
  )
  return `rgb(${channels.join(', ')})`
}

const SYMBOLS = ['circle', 'square', 'diamond', 'triangle-up', 'cross', 'x', 'star', 'hexagon']

interface Look {
  color: string
  symbol: string
}

/** Colours that the colour-blind tell apart, by method. */
const methodLooks: Readonly<Partial<Record<Variant, Look>>> = {
  'rate-m': { color: '#0072b2', symbol: 'circle' },
  'rate-s': { color: '#56b4e9', symbol: 'square-open' },
  bptt: { color: '#d55e00', symbol: 'star' },
  ottt: { color: '#009e73', symbol: 'triangle-up' },
  sltt: { color: '#cc79a7', symbol: 'diamond-open' },
  os: { color: '#999933', symbol: 'hexagon-open' },
  'bptt-s': { color: '#e69f00', symbol: 'star-open' },
  'ottt-o': { color: '#117733', symbol: 'triangle-down-open' },
  'sltt-1': { color: '#882255', symbol: 'cross-open' },
}

/**
 * Colour and symbol of a method; of one that has none of its own, grey and a symbol by its place.
 */
export const methodLook = (method: Variant): Look =>
  methodLooks[method] ?? {
    color: '#666666',
    symbol: SYMBOLS[variantNames.indexOf(method) % SYMBOLS.length],
  }

/** Colour and symbol of item `index` of `count` that have an order. */
export const look = (index: number, count: number): Look => ({
  color: ordered(index, count),
  symbol: SYMBOLS[index % SYMBOLS.length],
})
