/**
 * Looks of lines. Colours are for light and dark pages; the colour-blind tell the first eight
 * apart. None is red: that is for errors.
 */

import type { ChartSymbol, Series } from '../pages/chart.js'

// Marks of points, on the canvas and in legends.

const pairs = (text: string): number[][] =>
  text.split(' ').map((pair) => pair.split(',').map(Number))

/** Corners about 0, of a symbol of radius 1; a circle has none. */
const corners: Readonly<Record<Exclude<ChartSymbol, 'circle'>, readonly (readonly number[])[]>> = {
  square: pairs('-0.85,-0.85 0.85,-0.85 0.85,0.85 -0.85,0.85'),
  diamond: pairs('0,-1.2 1.2,0 0,1.2 -1.2,0'),
  triangle: pairs('0,-1.15 1.1,0.85 -1.1,0.85'),
  cross: pairs(
    '1.15,-0.4 1.15,0.4 0.4,0.4 0.4,1.15 -0.4,1.15 -0.4,0.4 ' +
      '-1.15,0.4 -1.15,-0.4 -0.4,-0.4 -0.4,-1.15 0.4,-1.15 0.4,-0.4',
  ),
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

const dark = matchMedia('(prefers-color-scheme: dark)')

/** Calls back when the page changes between light and dark. */
export const onScheme = (call: () => void): void => dark.addEventListener('change', call)

const apart = {
  light: '#0072b2 #c26a00 #008760 #a0509c #2b8fc9 #8a6d00 #6a3d9a #5f6670 #7a4b20'.split(' '),
  dark: '#5bb8f0 #ffb04d #35d3a2 #e79ae4 #9fd4f7 #e3c33a #b9a0ec #b4bac4 #c9a27a'.split(' '),
}

/** Without the yellow that white swallows, and the violet that black swallows. */
const orders = {
  light: ['#440154', '#3b528b', '#21807c', '#4aa84a'],
  dark: ['#c39bff', '#7fa8ff', '#3fd0c0', '#d8e36a'],
}

/** A place between colours, 0…1. */
function between(colours: readonly string[], share: number): string {
  const at = share * (colours.length - 1)
  const low = Math.min(Math.floor(at), colours.length - 2)
  const parts = [low, low + 1].map((i) =>
    [1, 3, 5].map((from) => Number.parseInt(colours[i].slice(from, from + 2), 16)),
  )
  const mixed = parts[0].map((value, c) => Math.round(value + (parts[1][c] - value) * (at - low)))
  return `rgb(${mixed.join(', ')})`
}

/** The colour of a series that stands at a place of its chart. */
export function colourOf({ share, colour }: Pick<Series, 'share' | 'colour'>, place = 0): string {
  const scheme = dark.matches ? 'dark' : 'light'
  if (share !== undefined) return between(orders[scheme], share)
  const list = apart[scheme]
  return list[(colour ?? place) % list.length]
}

const patterns: readonly (readonly number[])[] = [[], [7, 3], [2, 2.5], [9, 3, 2, 3]]

/** Lengths of a line and its gaps, by turns; none: it is whole. */
export const dashOf = ({ dash, pattern = 0 }: Pick<Series, 'dash' | 'pattern'>): number[] =>
  dash ? [3, 4] : [...patterns[pattern % patterns.length]]

/** A colour of the page's style. */
export const styled = (name: string): string =>
  getComputedStyle(document.documentElement).getPropertyValue(name).trim()

// Elements of a page.

/** One with properties, attributes and what is in it. */
export function make<K extends keyof HTMLElementTagNameMap>(
  tag: K,
  properties: Partial<HTMLElementTagNameMap[K]>,
  attributes: Readonly<Record<string, string>> = {},
  inside: readonly Element[] = [],
): HTMLElementTagNameMap[K] {
  const element = Object.assign(document.createElement(tag), properties)
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value)
  element.append(...inside)
  return element
}
