/** Panels of lines, arranged in one figure. */

import type { Axis, Chart, Figure, Series } from '../pages/chart.js'
import type { Cosine } from './diagnosis.js'
import type { Look } from './looks.js'

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
