/** Colours and symbols of lines. */

import type { ChartSymbol } from '../pages/chart.js'
import { type Variant, variantNames } from './diagnosis.js'

const SYMBOLS: readonly ChartSymbol[] = ['circle', 'square', 'diamond', 'triangle', 'cross', 'star']

/** How a line is told from others; see `Series` of charts. */
export interface Look {
  readonly colour?: number
  readonly share?: number
  readonly symbol: ChartSymbol
  readonly open?: boolean
}

/** By method; those that are much alike differ in more than the colour. */
const methodLooks: Readonly<Partial<Record<Variant, Look>>> = {
  'rate-m': { colour: 0, symbol: 'circle' },
  'rate-s': { colour: 4, symbol: 'square', open: true },
  bptt: { colour: 1, symbol: 'star' },
  ottt: { colour: 2, symbol: 'triangle' },
  sltt: { colour: 3, symbol: 'diamond', open: true },
  os: { colour: 5, symbol: 'cross', open: true },
  'bptt-s': { colour: 8, symbol: 'star', open: true },
  'ottt-o': { colour: 6, symbol: 'triangle', open: true },
  'sltt-1': { colour: 7, symbol: 'cross' },
}

/** Of a method; of one that has none of its own, by its place. */
export function methodLook(method: Variant): Look {
  const at = variantNames.indexOf(method)
  return methodLooks[method] ?? { colour: at, symbol: SYMBOLS[at % SYMBOLS.length] }
}

/** Of item `index` of `count` that have an order. */
export const look = (index: number, count: number): Look => ({
  share: count < 2 ? 0 : index / (count - 1),
  symbol: SYMBOLS[index % SYMBOLS.length],
})
