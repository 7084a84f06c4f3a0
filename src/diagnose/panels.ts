/** Panels of lines, arranged in one figure. */

import type { Axis, Chart, ChartSymbol, Figure, Series } from '../pages/chart.js'
import { type Cosine, type Variant, variantNames } from './diagnosis.js'

// Colours and symbols of lines.

const SYMBOLS: readonly ChartSymbol[] = ['circle', 'square', 'diamond', 'triangle', 'cross', 'star']

/** How a line is told from others; see `Series` of charts. */
interface Look {
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

/** A method's colour and symbol: its own, or by its place. */
export function methodLook(method: Variant): Look {
  const at = variantNames.indexOf(method)
  return methodLooks[method] ?? { colour: at, symbol: SYMBOLS[at % SYMBOLS.length] }
}

/** Colour and symbol of item `index` of `count` that have an order. */
export const look = (index: number, count: number): Look => ({
  share: count < 2 ? 0 : index / (count - 1),
  symbol: SYMBOLS[index % SYMBOLS.length],
})

/** One line in one panel. */
export interface Line extends Look {
  readonly name: string
  readonly x: readonly number[]
  readonly y: readonly Cosine[]
  /** Default 'both'. */
  readonly mode?: Series['mode']
  readonly dash?: boolean
  /** Kept out of the legend. */
  readonly quiet?: boolean
}

export interface Panel {
  readonly title: string
  readonly lines: readonly Line[]
  /** Ticks of x, with their texts, where they are not just numbers. */
  readonly ticks?: Axis['ticks']
  /** Default: what the values need. */
  readonly xRange?: readonly [number, number]
  /** Default: from 0 to what the values need. */
  readonly yRange?: readonly [number, number]
}

interface Axes {
  readonly x: string
  readonly y: string
  readonly logX?: boolean
}

/** Panels side by side, at most so many, with one legend. */
export function arrange(
  panels: readonly Panel[],
  columns: number,
  { x, y, logX = false }: Axes,
): Pick<Figure, 'charts' | 'columns'> {
  const charts = panels.map(
    ({ title, lines, ticks, xRange, yRange }): Chart => ({
      title,
      x: {
        label: x,
        ...(logX && { log: true }),
        ...(ticks && { ticks }),
        ...(xRange && { range: xRange }),
      },
      y: { label: y, ...(yRange && { range: yRange }) },
      series: lines.map(({ y: values, mode = 'both', ...line }) => ({
        ...line,
        mode,
        y: values.map((value) => (value === null ? null : Number(value.toPrecision(5)))),
      })),
    }),
  )
  return { charts, columns }
}
