/** Marks of points, on the canvas and in legends. */

import type { ChartSymbol } from '../chart.js'

/** Corners about 0, of a symbol of radius 1; a circle has none. */
const corners: Readonly<Record<Exclude<ChartSymbol, 'circle'>, readonly (readonly number[])[]>> = {
  square: [
    [-0.85, -0.85],
    [0.85, -0.85],
    [0.85, 0.85],
    [-0.85, 0.85],
  ],
  diamond: [
    [0, -1.2],
    [1.2, 0],
    [0, 1.2],
    [-1.2, 0],
  ],
  triangle: [
    [0, -1.15],
    [1.1, 0.85],
    [-1.1, 0.85],
  ],
  cross: [0, 1, 2, 3].flatMap((quarter) => {
    const turn = (x: number, y: number): number[] =>
      [
        [x, y],
        [-y, x],
        [-x, -y],
        [y, -x],
      ][quarter]
    return [turn(1.15, -0.4), turn(1.15, 0.4), turn(0.4, 0.4)]
  }),
  star: Array.from({ length: 10 }, (_, i) => {
    const radius = i % 2 === 0 ? 1.3 : 0.55
    return [radius * Math.sin((i * Math.PI) / 5), -radius * Math.cos((i * Math.PI) / 5)]
  }),
}

/** Adds a symbol to a path. */
export function addSymbol(
  path: Path2D,
  symbol: ChartSymbol,
  x: number,
  y: number,
  radius: number,
): void {
  if (symbol === 'circle') {
    path.moveTo(x + radius, y)
    path.arc(x, y, radius, 0, 2 * Math.PI)
    return
  }
  for (const [i, [dx, dy]] of corners[symbol].entries())
    if (i === 0) path.moveTo(x + dx * radius, y + dy * radius)
    else path.lineTo(x + dx * radius, y + dy * radius)
  path.closePath()
}

/** The same as a path of SVG, for legends. */
export function symbolPath(symbol: ChartSymbol, x: number, y: number, radius: number): string {
  if (symbol === 'circle') {
    const arc = (by: number): string => `a${radius},${radius} 0 1,0 ${by},0`
    return `M${x - radius},${y}${arc(2 * radius)}${arc(-2 * radius)}z`
  }
  const points = corners[symbol].map(([dx, dy]) => `${x + dx * radius},${y + dy * radius}`)
  return `M${points.join('L')}z`
}
